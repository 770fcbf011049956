#include "data/image_io.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "data/image_formats.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  std::string_view format;
};

// Formats people have on disk under an image's name, so that the message can say what it is.
constexpr Magic kRefused[] = {
    {"GIF8", "GIF"},
    {"II*", "TIFF"},
    {"MM\0*"sv, "TIFF"},
    {"8BPS", "Photoshop"},
    {"RIFF", "WebP"},
    {"#?RADIANCE", "HDR"},
    {"\0\0\0\x0cjP  "sv, "JPEG 2000"},
    {"\x80\x02", "a Python pickle"},
    {"PK\x03\x04", "a zip archive"},
    {"version https://git-lfs", "a Git LFS pointer (run git lfs pull)"},
    {"<!DOCTYPE", "an HTML page (a failed download)"},
    {"<html", "an HTML page (a failed download)"},
};

ImageFormat format_of(ImageSource source) {
  const std::string_view head(reinterpret_cast<const char*>(source.bytes.data()),
                              std::min<std::size_t>(source.bytes.size(), 32));
  if (head.empty()) fail_damaged(source, "the file is empty");
  if (head.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (head.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (head.starts_with("BM")) return ImageFormat::kBmp;
  for (const Magic& magic : kRefused)
    if (head.starts_with(magic.bytes))
      fail_unsupported(
          source, fmt::format("this is {}; wanted JPEG, PNG or BMP, convert it", magic.format));
  if (std::all_of(head.begin(), head.end(), [](char c) { return c == 0; }))
    fail_damaged(source, "the file begins with zero bytes, as after an interrupted copy");
  fail_unsupported(source, fmt::format("no image format known here begins with '{}'; wanted JPEG, "
                                       "PNG or BMP",
                                       printable(head.substr(0, 8))));
}

void check_limits(ImageSource source, const ImageInfo& info, const ImageLimits& limits) {
  if (info.width < 1 || info.height < 1)
    fail_damaged(source, fmt::format("the header says {}x{} pixels", info.width, info.height));
  if (info.width > limits.max_side || info.height > limits.max_side ||
      std::int64_t{info.width} * info.height > limits.max_pixels)
    throw_fault("KT-DATA-004",
                "{}: the header says {}x{} pixels; at most {} per side and {} in all are read",
                printable(source.name, 200), info.width, info.height, limits.max_side,
                limits.max_pixels);
}

}  // namespace

void fail_damaged(ImageSource source, std::string_view what) {
  throw_fault("KT-DATA-002", "{}: {}", printable(source.name, 200), what);
}

void fail_unsupported(ImageSource source, std::string_view what) {
  throw_fault("KT-DATA-003", "{}: {}", printable(source.name, 200), what);
}

ImageInfo image_info(ImageSource source, const ImageLimits& limits) {
  if (static_cast<std::int64_t>(source.bytes.size()) > limits.max_file_bytes)
    throw_fault("KT-DATA-004", "{}: the file has {} bytes; at most {} are read",
                printable(source.name, 200), source.bytes.size(), limits.max_file_bytes);
  const ImageFormat format = format_of(source);
  const ImageInfo info = format == ImageFormat::kJpeg  ? jpeg_info(source)
                         : format == ImageFormat::kPng ? png_info(source)
                                                       : bmp_info(source);
  check_limits(source, info, limits);
  return info;
}

void check_image_complete(ImageSource source, const ImageLimits& limits) {
  switch (image_info(source, limits).format) {
    case ImageFormat::kJpeg:
      return check_jpeg(source, limits);
    case ImageFormat::kPng:
      return check_png(source, limits);
    case ImageFormat::kBmp:
      return check_bmp(source);
  }
}

void decode_image(ImageSource source, Image& image, const ImageLimits& limits) {
  const ImageInfo info = image_info(source, limits);
  if (info.orientation != 1)
    throw_fault("KT-DATA-005",
                "{}: EXIF orientation {} asks viewers to turn the image; wanted upright pixels, "
                "rewrite the file with `jpegtran` or drop the tag if the boxes fit as it is",
                printable(source.name, 200), info.orientation);
  check_image_complete(source, limits);
  image.height = info.height;
  image.width = info.width;
  image.rgb.resize(image.num_bytes());
  if (info.format == ImageFormat::kJpeg)
    decode_jpeg(source, image);
  else
    decode_by_stb(source, info, image);
}

Image decode_image(ImageSource source, const ImageLimits& limits) {
  Image image;
  decode_image(source, image, limits);
  return image;
}

void write_image(const std::filesystem::path& path, const Image& image, int quality) {
  const std::string extension = path.extension().string();
  const bool jpeg = extension == ".jpg" || extension == ".jpeg";
  KT_CHECK(jpeg || extension == ".png", "write_image: {}: wanted a name in .png, .jpg or .jpeg",
           printable(path.string(), 200));
  const auto bytes = jpeg ? encode_jpeg(image, quality) : encode_png(image);
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    throw_fault("KT-IO-001", "{}: {} bytes could not be written: {}", printable(path.string(), 200),
                bytes.size(), errno ? std::strerror(errno) : "unknown cause");
}

}  // namespace ktrain
