// JPEG: our own walk over the markers (limits, scans, end mark, EXIF), libjpeg-turbo for the
// pixels.
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include <turbojpeg.h>

#include "data/image_formats.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

using Bytes = std::span<const std::uint8_t>;

struct HandleCloser {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, HandleCloser>;

struct Segment {
  int marker = 0;
  Bytes body;
};

// Steps from marker to marker; after a scan's header it skips the scan's coded data.
class Markers {
 public:
  explicit Markers(ImageSource source) : source_(source) {}

  // The next segment; markers without a body (EOI, a lone RST) have none.
  Segment next() {
    skip_scan();
    if (at_ >= size()) fail_damaged(source_, end_text());
    if (byte(at_) != 0xFF)
      fail_damaged(source_, fmt::format("byte {}: found 0x{:02x} where a JPEG marker should begin",
                                        at_, byte(at_)));
    while (at_ < size() && byte(at_) == 0xFF) ++at_;
    if (at_ >= size()) fail_damaged(source_, end_text());
    Segment segment{byte(at_++), {}};
    const int marker = segment.marker;
    if (marker == 0xD8 || marker == 0xD9 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7))
      return segment;
    if (at_ + 2 > size()) fail_damaged(source_, end_text());
    const std::size_t length = static_cast<std::size_t>(byte(at_) << 8 | byte(at_ + 1));
    if (length < 2 || at_ + length > size())
      fail_damaged(source_, length < 2
                                ? fmt::format("byte {}: a JPEG segment of length {}", at_, length)
                                : end_text());
    segment.body = source_.bytes.subspan(at_ + 2, length - 2);
    at_ += length;
    in_scan_ = marker == 0xDA;
    return segment;
  }

 private:
  [[nodiscard]] std::size_t size() const { return source_.bytes.size(); }
  [[nodiscard]] int byte(std::size_t at) const { return source_.bytes[at]; }
  [[nodiscard]] std::string end_text() const {
    return fmt::format("the JPEG ends after {} bytes without its end mark: it is truncated",
                       size());
  }

  // In coded data 0xFF is followed by 0 (a data byte), by a restart mark, or begins a marker.
  void skip_scan() {
    if (!in_scan_) return;
    in_scan_ = false;
    while (at_ < size()) {
      const void* found = std::memchr(source_.bytes.data() + at_, 0xFF, size() - at_);
      if (!found) break;
      at_ =
          static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - source_.bytes.data());
      if (at_ + 1 >= size()) break;
      const int follows = byte(at_ + 1);
      if (follows == 0xFF)
        at_ += 1;
      else if (follows == 0x00 || (follows >= 0xD0 && follows <= 0xD7))
        at_ += 2;
      else
        return;
    }
    fail_damaged(source_, end_text());
  }

  ImageSource source_;
  std::size_t at_ = 0;
  bool in_scan_ = false;
};

// The orientation in an APP1 segment, when there is one.
std::optional<int> exif_orientation(Bytes body) {
  constexpr std::size_t kHeader = 6;
  if (body.size() < kHeader + 8 || std::memcmp(body.data(), "Exif\0\0", kHeader) != 0) return {};
  const Bytes tiff = body.subspan(kHeader);
  const bool little = tiff[0] == 'I';
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value = value << 8 | tiff[at + (little ? bytes - 1 - i : i)];
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory + 2 > tiff.size()) return {};
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return {};
    if (number(entry, 2) == 0x0112) return static_cast<int>(number(entry + 8, 2));
  }
  return {};
}

bool is_frame_header(int marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

struct Frame {
  ImageInfo info;
  int max_sampling = 1;  // the largest horizontal times the largest vertical sampling factor
};

Frame read_frame(ImageSource source, const Segment& segment) {
  const Bytes body = segment.body;
  if (segment.marker > 0xC2)
    fail_unsupported(source, fmt::format("a JPEG of kind SOF{}; wanted a baseline or progressive "
                                         "one with Huffman coding",
                                         segment.marker - 0xC0));
  if (body.size() < 6) fail_damaged(source, "the JPEG frame header is too short");
  if (body[0] != 8) fail_unsupported(source, fmt::format("{} bits per channel, wanted 8", body[0]));
  Frame frame;
  frame.info.height = body[1] << 8 | body[2];
  frame.info.width = body[3] << 8 | body[4];
  frame.info.channels = body[5];
  if (body[5] != 1 && body[5] != 3)
    fail_unsupported(source, fmt::format("a JPEG of {} channels, wanted 1 or 3", body[5]));
  if (body.size() < 6u + 3u * body[5]) fail_damaged(source, "the JPEG frame header is too short");
  int across = 1, down = 1;
  for (std::size_t i = 0; i < body[5]; ++i) {
    across = std::max(across, body[6 + 3 * i + 1] >> 4);
    down = std::max(down, body[6 + 3 * i + 1] & 15);
  }
  frame.max_sampling = across * down;
  return frame;
}

}  // namespace

ImageInfo jpeg_info(ImageSource source) {
  Markers markers(source);
  int orientation = 1;
  while (true) {
    const Segment segment = markers.next();
    if (segment.marker == 0xE1) orientation = exif_orientation(segment.body).value_or(orientation);
    if (segment.marker == 0xD9 || segment.marker == 0xDA)
      fail_damaged(source, "the JPEG has no frame header");
    if (is_frame_header(segment.marker)) {
      ImageInfo info = read_frame(source, segment).info;
      info.orientation = orientation;
      return info;
    }
  }
}

void check_jpeg(ImageSource source, const ImageLimits& limits) {
  Markers markers(source);
  std::int64_t blocks = 0;  // that must be coded: at least one bit each, in any Huffman scan
  int scans = 0;
  while (true) {
    const Segment segment = markers.next();
    if (segment.marker == 0xD9) break;
    if (is_frame_header(segment.marker)) {
      const Frame frame = read_frame(source, segment);
      blocks = std::int64_t{(frame.info.width + 7) / 8} * ((frame.info.height + 7) / 8) /
               frame.max_sampling;
    }
    if (segment.marker == 0xDA && ++scans > limits.max_scans)
      throw_fault("KT-DATA-004", "{}: a progressive JPEG of more than {} scans",
                  printable(source.name, 200), limits.max_scans);
  }
  if (scans == 0) fail_damaged(source, "the JPEG has no image data");
  if (blocks / 8 > static_cast<std::int64_t>(source.bytes.size()))
    fail_damaged(source, fmt::format("{} bytes cannot hold the image that the header announces",
                                     source.bytes.size()));
}

void decode_jpeg(ImageSource source, Image& image) {
  const Handle handle(tjInitDecompress());
  KT_CHECK(handle != nullptr, "libjpeg-turbo: {}", tjGetErrorStr2(nullptr));
  // Slow DCT and smooth upsampling are what OpenCV uses: pixels equal mmdetection's.
  const int flags = TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
  if (tjDecompress2(handle.get(), source.bytes.data(), source.bytes.size(), image.rgb.data(),
                    image.width, image.width * 3, image.height, TJPF_RGB, flags) != 0)
    fail_damaged(source, fmt::format("the JPEG is damaged: {}",
                                     printable(tjGetErrorStr2(handle.get()), 120)));
}

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  KT_CHECK(image.rgb.size() == image.num_bytes() && !image.rgb.empty(),
           "encode_jpeg: {} bytes for {}x{} pixels", image.rgb.size(), image.width, image.height);
  KT_CHECK(quality >= 1 && quality <= 100, "encode_jpeg: quality {}, wanted 1 to 100", quality);
  const Handle handle(tjInitCompress());
  KT_CHECK(handle != nullptr, "libjpeg-turbo: {}", tjGetErrorStr2(nullptr));
  const int sampling = quality > 90 ? TJSAMP_444 : TJSAMP_420;
  std::vector<std::uint8_t> bytes(tjBufSize(image.width, image.height, sampling));
  unsigned char* data = bytes.data();
  unsigned long size = bytes.size();
  const int failed =
      tjCompress2(handle.get(), image.rgb.data(), image.width, image.width * 3, image.height,
                  TJPF_RGB, &data, &size, sampling, quality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
  KT_CHECK(!failed, "encode_jpeg: {}", tjGetErrorStr2(handle.get()));
  bytes.resize(size);
  return bytes;
}

}  // namespace ktrain
