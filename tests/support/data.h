// Pictures, files and folders for the tests of data/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <turbojpeg.h>

#include "data/image_io.h"
#include "runtime/fault.h"
#include "tests/support/shared_data.h"

namespace ktrain::test {

using Bytes = std::vector<std::uint8_t>;

// The text of the Fault that `work` throws, "" when it throws none.
template <class Work>
std::string fault_of(Work&& work) {
  try {
    work();
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

// A new folder that goes when this object does.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ktrain-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw Error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  // Makes the folders in between.
  void write(const std::string& name, std::string_view text) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  void write(const std::string& name, const Bytes& bytes) const {
    write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

 private:
  std::filesystem::path path_;
};

inline Bytes read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

inline Image gradient_image(int height, int width, int seed = 0) {
  Image image{height, width, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int value : {x * 255 / width, y * 255 / height, (x + y + seed * 37) & 255})
        image.rgb.push_back(static_cast<std::uint8_t>(value));
  return image;
}

inline Image plain_image(int height, int width, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  Image image{height, width, {}};
  for (int i = 0; i < height * width; ++i) image.rgb.insert(image.rgb.end(), {r, g, b});
  return image;
}

inline Bytes compress_by_turbojpeg(const Image& image, int format, int sampling, int flags) {
  std::vector<std::uint8_t> grey;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) grey.push_back(image.rgb[i]);
  const tjhandle handle = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, format == TJPF_GRAY ? grey.data() : image.rgb.data(), image.width, 0,
              image.height, format, &data, &size, sampling, 90, flags);
  Bytes bytes(data, data + size);
  tjFree(data);
  tjDestroy(handle);
  return bytes;
}

inline Bytes progressive_jpeg(int height, int width) {
  return compress_by_turbojpeg(gradient_image(height, width), TJPF_RGB, TJSAMP_420,
                               TJFLAG_PROGRESSIVE);
}

inline Bytes grey_jpeg(int height, int width) {
  return compress_by_turbojpeg(gradient_image(height, width), TJPF_GRAY, TJSAMP_GRAY, 0);
}

inline void append_big_endian(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline std::uint32_t slow_crc32(const std::uint8_t* data, std::size_t size) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

inline std::size_t chunk_length(const Bytes& png, std::size_t at) {
  return std::size_t{png[at]} << 24 | std::size_t{png[at + 1]} << 16 |
         std::size_t{png[at + 2]} << 8 | png[at + 3];
}

// Rewrites the checksum of every chunk that is whole.
inline void fix_png_checksums(Bytes& png) {
  for (std::size_t at = 8; at + 12 <= png.size();) {
    const std::size_t length = chunk_length(png, at);
    if (length > png.size() || at + 12 + length > png.size()) return;
    const std::uint32_t crc = slow_crc32(png.data() + at + 4, length + 4);
    for (std::size_t i = 0; i < 4; ++i)
      png[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += 12 + length;
  }
}

inline void append_chunk(Bytes& png, std::string_view name, const Bytes& body) {
  append_big_endian(png, static_cast<std::uint32_t>(body.size()));
  png.insert(png.end(), name.begin(), name.end());
  png.insert(png.end(), body.begin(), body.end());
  append_big_endian(png, 0);
}

// One channel, stored without compression.
inline Bytes grey_png(int height, int width) {
  Bytes png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  Bytes header;
  append_big_endian(header, static_cast<std::uint32_t>(width));
  append_big_endian(header, static_cast<std::uint32_t>(height));
  header.insert(header.end(), {8, 0, 0, 0, 0});
  append_chunk(png, "IHDR", header);
  Bytes rows;
  for (int y = 0; y < height; ++y) {
    rows.push_back(0);
    for (int x = 0; x < width; ++x) rows.push_back(static_cast<std::uint8_t>(3 * x + y));
  }
  const std::size_t size = rows.size();
  Bytes zlib = {0x78, 0x01, 0x01};
  for (const std::size_t value : {size, ~size})
    for (const int shift : {0, 8}) zlib.push_back(static_cast<std::uint8_t>(value >> shift));
  zlib.insert(zlib.end(), rows.begin(), rows.end());
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t value : rows) b = (b + (a = (a + value) % 65521)) % 65521;
  append_big_endian(zlib, b << 16 | a);
  append_chunk(png, "IDAT", zlib);
  append_chunk(png, "IEND", {});
  fix_png_checksums(png);
  return png;
}

inline Bytes encode_bmp(const Image& image) {
  const int row = (image.width * 3 + 3) / 4 * 4;
  Bytes bytes = {'B', 'M'};
  const auto put = [&](std::int64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  put(54 + row * image.height, 4), put(0, 4), put(54, 4), put(40, 4);
  put(image.width, 4), put(image.height, 4), put(1, 2), put(24, 2);
  put(0, 4), put(row * image.height, 4), put(0, 4), put(0, 4), put(0, 4), put(0, 4);
  for (int y = image.height - 1; y >= 0; --y) {
    for (int x = 0; x < image.width; ++x)
      for (const int c : {2, 1, 0})
        bytes.push_back(image.rgb[static_cast<std::size_t>((y * image.width + x) * 3 + c)]);
    bytes.insert(bytes.end(), static_cast<std::size_t>(row - image.width * 3), 0);
  }
  return bytes;
}

inline Bytes with_exif_orientation(const Bytes& jpeg, std::uint8_t orientation) {
  Bytes out = {0xFF, 0xD8, 0xFF, 0xE1, 0, 34};
  const std::string_view exif("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 24);
  for (const char c : exif) out.push_back(static_cast<std::uint8_t>(c));
  out.push_back(orientation);
  for (int i = 0; i < 7; ++i) out.push_back(0);
  for (std::size_t i = 2; i < jpeg.size(); ++i) out.push_back(jpeg[i]);
  return out;
}

inline std::size_t find_bytes(const Bytes& in, std::initializer_list<std::uint8_t> what) {
  return static_cast<std::size_t>(std::search(in.begin(), in.end(), what.begin(), what.end()) -
                                  in.begin());
}

inline std::size_t find_last_bytes(const Bytes& in, std::initializer_list<std::uint8_t> what) {
  return static_cast<std::size_t>(std::find_end(in.begin(), in.end(), what.begin(), what.end()) -
                                  in.begin());
}

}  // namespace ktrain::test
