// Images in memory: 8 bit, three channels in the order R, G, B, rows from the top, no padding.
// A file is read whole or not at all: what a decoder would only warn of is an error here, since a
// half-grey frame trains as well as a good one. Formats are told by their first bytes, never by the
// file's name. All functions are free of file access, except write_image, and safe to call from
// many threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace ktrain {

struct Image {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> rgb;  // height * width * 3

  [[nodiscard]] std::size_t num_bytes() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3;
  }
};

// The bytes of a file and the name that messages give it.
struct ImageSource {
  std::string_view name;
  std::span<const std::uint8_t> bytes;
};

// Checked on the header, before anything is allocated.
struct ImageLimits {
  int max_side = 16384;
  std::int64_t max_pixels = 64'000'000;
  std::int64_t max_file_bytes = 256 << 20;
  int max_scans = 100;           // of a progressive JPEG
  bool verify_checksums = true;  // of PNG chunks; off only to let a fuzzer reach the decoder
};

enum class ImageFormat : std::uint8_t { kJpeg, kPng, kBmp };

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  int height = 0;
  int width = 0;
  int channels = 0;     // in the file: 1 grey, 3 colour, 4 with alpha
  int orientation = 1;  // EXIF; 1 is upright
};

// What the header says. `source.bytes` may be the beginning of a file, at least up to the header's
// end. Throws Fault for other formats, more than 8 bits per channel and sizes over the limits.
[[nodiscard]] ImageInfo image_info(ImageSource source, const ImageLimits& limits = {});

// Walks the whole file without decoding: every segment is there, the end mark is there, checksums
// agree. Throws Fault where it is not so.
void check_image_complete(ImageSource source, const ImageLimits& limits = {});

// image_info, check_image_complete and the pixels. One channel is written three times, alpha is
// dropped. `image` keeps its memory when that is large enough. Throws Fault, also when the EXIF
// orientation is not upright: boxes drawn on the turned image would not fit.
void decode_image(ImageSource source, Image& image, const ImageLimits& limits = {});
[[nodiscard]] Image decode_image(ImageSource source, const ImageLimits& limits = {});

// Quality 1 to 100; colour is kept at full resolution from 91 on and halved below.
[[nodiscard]] std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality = 95);
[[nodiscard]] std::vector<std::uint8_t> encode_png(const Image& image);

// By the extension: .png, .jpg or .jpeg. Throws Fault when the disk refuses.
void write_image(const std::filesystem::path& path, const Image& image, int quality = 95);

}  // namespace ktrain
