#include "train/event_record.h"

#include <bit>
#include <limits>

#include "runtime/crc32c.h"

namespace ktrain {
namespace {

template <class T>
void append_little_endian(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i))));
}

// One message of the protocol buffers' wire format, fields in the order of the calls.
class Message {
 public:
  void varint(int field, std::int64_t value) {
    key(field, 0);
    append_varint(static_cast<std::uint64_t>(value));
  }
  void number(int field, double value) {
    key(field, 1);
    append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value));
  }
  void number(int field, float value) {
    key(field, 5);
    append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value));
  }
  void text(int field, std::string_view value) {
    key(field, 2);
    append_varint(value.size());
    bytes_ += value;
  }
  void message(int field, const Message& value) { text(field, value.bytes_); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int type) { append_varint(static_cast<std::uint64_t>(field << 3 | type)); }
  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes.data(), bytes.size());
  return std::rotr(crc, 15) + 0xa282ead8U;
}

std::string framed(const Message& event) {
  std::string out;
  append_little_endian(out, static_cast<std::uint64_t>(event.bytes().size()));
  append_little_endian(out, masked_crc(out));
  out += event.bytes();
  append_little_endian(out, masked_crc(event.bytes()));
  return out;
}

Message event_at(double time, std::int64_t step) {
  Message event;
  event.number(1, time);
  if (step != 0) event.varint(2, step);  // proto3 leaves zeros out
  return event;
}

float to_float(double value) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr double kMost = std::numeric_limits<float>::max();
  if (value > kMost) return kInfinity;
  if (value < -kMost) return -kInfinity;
  return static_cast<float>(value);
}

}  // namespace

std::string version_record(double time) {
  Message event = event_at(time, 0);
  event.text(3, "brain.Event:2");
  return framed(event);
}

std::string session_start_record(double time, std::int64_t step) {
  constexpr int kStart = 1;
  Message session, event = event_at(time, step);
  session.varint(1, kStart);
  event.message(7, session);
  return framed(event);
}

std::string scalars_record(double time, std::int64_t step, std::span<const EventScalar> scalars) {
  Message summary, event = event_at(time, step);
  for (const EventScalar& scalar : scalars) {
    Message value;
    value.text(1, scalar.tag);
    value.number(2, to_float(scalar.value));
    summary.message(1, value);
  }
  event.message(5, summary);
  return framed(event);
}

std::string image_record(double time, std::int64_t step, const EventImage& image) {
  constexpr int kRgb = 3;
  Message picture, value, summary, event = event_at(time, step);
  picture.varint(1, image.height);
  picture.varint(2, image.width);
  picture.varint(3, kRgb);
  picture.text(4, image.encoded);
  value.text(1, image.tag);
  value.message(4, picture);
  summary.message(1, value);
  event.message(5, summary);
  return framed(event);
}

}  // namespace ktrain
