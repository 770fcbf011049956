// The bytes of TensorBoard's event files: TFRecord frames around protocol buffers, written by hand.
//
// A frame is the payload's length (8 bytes, little endian), the masked CRC-32C of these 8 bytes,
// the payload, its masked CRC-32C. Field numbers are those of tensorflow's event.proto and
// summary.proto: Event {1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log},
// Summary {1 value}, Value {1 tag, 2 simple_value, 4 image}, Image {1 height, 2 width,
// 3 colorspace, 4 encoded_image_string}, SessionLog {1 status}.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ktrain {

struct EventScalar {
  std::string tag;
  double value = 0;  // stored as float; what does not fit becomes an infinity
};

struct EventImage {
  std::string tag;
  std::int64_t height = 0, width = 0;
  std::string_view encoded;  // a PNG or JPEG file in RGB
};

// Each gives one framed event. `time` is in seconds since 1970.

// The first record of a file.
[[nodiscard]] std::string version_record(double time);
// SessionLog START: records of earlier files from `step` on do not count any more.
[[nodiscard]] std::string session_start_record(double time, std::int64_t step);
[[nodiscard]] std::string scalars_record(double time, std::int64_t step,
                                         std::span<const EventScalar> scalars);
[[nodiscard]] std::string image_record(double time, std::int64_t step, const EventImage& image);

}  // namespace ktrain
