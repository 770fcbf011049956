// PNG and BMP: our own walk over the file (limits, checksums, end), stb_image for the pixels. Other
// formats of stb_image are not compiled in.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include "data/image_formats.h"
#include "runtime/fault.h"

namespace {

// stb_image grows the buffer that it inflates into as long as data comes. The largest piece it may
// ask for is known from the header, so that a bomb ends there.
thread_local std::size_t allowed_bytes = 0;

void* stb_malloc(std::size_t size) { return size > allowed_bytes ? nullptr : std::malloc(size); }
void* stb_realloc(void* old, std::size_t size) {
  return size > allowed_bytes ? nullptr : std::realloc(old, size);
}

}  // namespace

#if defined(__GNUC__) && !defined(__clang__)
// For the part of stb_image that reads through callbacks, which is not used here.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define STBI_MALLOC(size) stb_malloc(size)
#define STBI_REALLOC(old, size) stb_realloc(old, size)
#define STBI_FREE(old) std::free(old)
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 65536
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace ktrain {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kPngSignature = 8;
constexpr std::size_t kBmpHeader = 54;

std::uint32_t big_endian(Bytes bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
         std::uint32_t{bytes[at + 2]} << 8 | std::uint32_t{bytes[at + 3]};
}

std::uint32_t little_endian(Bytes bytes, std::size_t at) {
  return std::uint32_t{bytes[at + 3]} << 24 | std::uint32_t{bytes[at + 2]} << 16 |
         std::uint32_t{bytes[at + 1]} << 8 | std::uint32_t{bytes[at]};
}

std::uint32_t crc32(Bytes bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0u);
      entries[i] = value;
    }
    return entries;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF];
  return ~crc;
}

int clamped(std::uint32_t value) {
  return static_cast<int>(std::min<std::uint32_t>(value, std::numeric_limits<int>::max()));
}

struct StbFree {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

// The largest single piece that stb_image needs for an honest file.
std::size_t largest_piece(ImageSource source, const ImageInfo& info) {
  const std::size_t pixels =
      static_cast<std::size_t>(info.width) * static_cast<std::size_t>(info.height);
  const bool interlaced = info.format == ImageFormat::kPng && source.bytes[28] != 0;
  // Inflated rows carry a filter byte; an interlaced image has up to twice as many short rows, and
  // stb_image doubles its first guess.
  const std::size_t inflated =
      (pixels * 4 + static_cast<std::size_t>(info.height) * 2) * (interlaced ? 2 : 1);
  return std::max(inflated, 2 * source.bytes.size()) + 65536;
}

}  // namespace

ImageInfo png_info(ImageSource source) {
  const Bytes bytes = source.bytes;
  if (bytes.size() < kPngSignature + 8 + 13 + 4) fail_damaged(source, "the PNG header is cut off");
  if (big_endian(bytes, 8) != 13 || std::memcmp(bytes.data() + 12, "IHDR", 4) != 0)
    fail_damaged(source, "the PNG does not begin with its header");
  const int depth = bytes[24], kind = bytes[25];
  if (depth == 16)
    fail_unsupported(source,
                     "16 bits per channel, wanted 8: scale the values to 0..255 yourself, "
                     "since how to do it changes what a detector sees");
  if (kind != 0 && kind != 2 && kind != 3 && kind != 4 && kind != 6)
    fail_damaged(source, fmt::format("the PNG says colour type {}", kind));
  ImageInfo info;
  info.format = ImageFormat::kPng;
  info.width = clamped(big_endian(bytes, 16));
  info.height = clamped(big_endian(bytes, 20));
  info.channels = kind == 0 ? 1 : kind == 4 || kind == 6 ? 4 : 3;
  return info;
}

void check_png(ImageSource source, const ImageLimits& limits) {
  const Bytes bytes = source.bytes;
  for (std::size_t at = kPngSignature; at + 12 <= bytes.size();) {
    const std::size_t length = big_endian(bytes, at);
    if (length > bytes.size() || at + 12 + length > bytes.size()) break;
    const Bytes covered = bytes.subspan(at + 4, 4 + length);
    const std::string_view name(reinterpret_cast<const char*>(covered.data()), 4);
    if (limits.verify_checksums && crc32(covered) != big_endian(bytes, at + 8 + length))
      fail_damaged(source, fmt::format("byte {}: the checksum of the PNG chunk '{}' is wrong", at,
                                       printable(name)));
    if (name == "IEND") return;
    at += 12 + length;
  }
  fail_damaged(source, fmt::format("the PNG ends after {} bytes without its end mark: it is "
                                   "truncated",
                                   bytes.size()));
}

ImageInfo bmp_info(ImageSource source) {
  const Bytes bytes = source.bytes;
  if (bytes.size() < kBmpHeader) fail_damaged(source, "the BMP header is cut off");
  const auto signed_at = [&](std::size_t at) {
    return static_cast<std::int64_t>(static_cast<std::int32_t>(little_endian(bytes, at)));
  };
  const std::int64_t width = signed_at(18), height = std::abs(signed_at(22));
  const int bits = bytes[28] | bytes[29] << 8;
  if (little_endian(bytes, 14) != 40 || little_endian(bytes, 30) != 0 ||
      (bits != 8 && bits != 24 && bits != 32))
    fail_unsupported(source, "a BMP of an unusual kind; wanted plain 8, 24 or 32 bits per pixel");
  ImageInfo info;
  info.format = ImageFormat::kBmp;
  info.width = static_cast<int>(std::clamp<std::int64_t>(width, 0, 1 << 30));
  info.height = static_cast<int>(std::clamp<std::int64_t>(height, 0, 1 << 30));
  info.channels = bits == 32 ? 4 : 3;
  return info;
}

void check_bmp(ImageSource source) {
  const ImageInfo info = bmp_info(source);
  const std::int64_t bits = source.bytes[28];
  const std::int64_t row_bytes = (info.width * bits + 31) / 32 * 4;
  const std::int64_t wanted = little_endian(source.bytes, 10) + row_bytes * info.height;
  if (static_cast<std::int64_t>(source.bytes.size()) < wanted)
    fail_damaged(source,
                 fmt::format("the BMP has {} bytes, its header asks for {}: it is truncated",
                             source.bytes.size(), wanted));
}

void decode_by_stb(ImageSource source, const ImageInfo& info, Image& image) {
  allowed_bytes = largest_piece(source, info);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, StbFree> pixels(stbi_load_from_memory(
      source.bytes.data(), static_cast<int>(source.bytes.size()), &width, &height, &channels, 3));
  if (!pixels)
    fail_damaged(source, fmt::format("the image cannot be decoded: {}", stbi_failure_reason()));
  if (width != info.width || height != info.height)
    fail_damaged(source, "the image contradicts its own header");
  std::memcpy(image.rgb.data(), pixels.get(), image.num_bytes());
}

std::vector<std::uint8_t> encode_png(const Image& image) {
  KT_CHECK(image.rgb.size() == image.num_bytes() && !image.rgb.empty(),
           "encode_png: {} bytes for {}x{} pixels", image.rgb.size(), image.width, image.height);
  std::vector<std::uint8_t> bytes;
  const auto append = [](void* context, void* data, int size) {
    const auto* piece = static_cast<const std::uint8_t*>(data);
    auto& out = *static_cast<std::vector<std::uint8_t>*>(context);
    out.insert(out.end(), piece, piece + size);
  };
  const int written = stbi_write_png_to_func(append, &bytes, image.width, image.height, 3,
                                             image.rgb.data(), image.width * 3);
  KT_CHECK(written != 0, "encode_png: stb_image_write failed on {}x{} pixels", image.width,
           image.height);
  return bytes;
}

}  // namespace ktrain
