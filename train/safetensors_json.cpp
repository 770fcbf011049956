#include "train/safetensors_json.h"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"

namespace ktrain {
namespace {

// Where the reader stands; each state allows exactly the events that the format has there.
enum class State {
  kStart,
  kNames,
  kName,
  kMetadata,
  kText,
  kFields,
  kType,
  kShape,
  kOffsets,
  kEnd
};

// nlohmann's SAX interface: every event returns whether to go on.
class Handler {
 public:
  Handler(const SafetensorsLimits& limits, SafetensorsHeader& header)
      : limits_(limits), header_(header) {}

  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] bool complete() const { return state_ == State::kEnd; }

  bool start_object(std::size_t) {
    if (state_ == State::kStart) return go(State::kNames);
    if (state_ != State::kName) return unexpected("an object");
    if (name_ == "__metadata__") {
      if (std::exchange(has_metadata_, true)) return refuse("'__metadata__' is listed twice");
      return go(State::kMetadata);
    }
    if (header_.entries.size() >= limits_.arrays)
      return refuse(fmt::format("more than {} arrays", limits_.arrays));
    header_.entries.push_back({{name_, ArrayType::kF32, {}}, 0, 0});
    has_type_ = has_shape_ = has_offsets_ = false;
    return go(State::kFields);
  }

  bool end_object() {
    if (state_ == State::kNames) return go(State::kEnd);
    if (state_ == State::kMetadata) return go(State::kNames);
    if (state_ != State::kFields) return unexpected("the end of an object");
    if (!has_type_ || !has_shape_ || !has_offsets_)
      return refuse("must have dtype, shape and data_offsets");
    return go(State::kNames);
  }

  bool key(std::string& text) {
    if (state_ == State::kNames) return name(text);
    if (state_ == State::kMetadata) {
      name_ = text;
      return go(State::kText);
    }
    if (text == "dtype" && !std::exchange(has_type_, true)) return go(State::kType);
    if (text == "shape" && !std::exchange(has_shape_, true)) return go(State::kShape);
    if (text == "data_offsets" && !std::exchange(has_offsets_, true)) return go(State::kOffsets);
    return refuse(fmt::format("unknown or repeated key '{}'", printable(text)));
  }

  bool string(std::string& text) {
    if (state_ == State::kText) {
      if (!header_.metadata.emplace(name_, text).second) return refuse("is listed twice");
      return go(State::kMetadata);
    }
    if (state_ != State::kType) return unexpected("a string");
    const auto type = find_array_type(text);
    if (!type) return refuse(fmt::format("unknown dtype '{}'", printable(text)));
    header_.entries.back().spec.type = *type;
    return go(State::kFields);
  }

  bool start_array(std::size_t) {
    if ((state_ != State::kShape && state_ != State::kOffsets) || in_array_)
      return unexpected("a list");
    in_array_ = true;
    count_ = 0;
    return true;
  }

  bool number_unsigned(std::uint64_t value) {
    if (!in_array_) return unexpected("a number");
    SafetensorsEntry& entry = header_.entries.back();
    ++count_;
    if (state_ == State::kOffsets) {
      (count_ == 1 ? entry.begin : entry.end) = value;
      return count_ <= 2 || refuse("data_offsets must be two numbers");
    }
    if (count_ > limits_.dimensions)
      return refuse(fmt::format("more than {} dimensions", limits_.dimensions));
    if (value > std::uint64_t{INT64_MAX})
      return refuse(fmt::format("extent {} is too large", value));
    entry.spec.shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool end_array() {
    if (state_ == State::kOffsets && count_ != 2) return refuse("data_offsets must be two numbers");
    in_array_ = false;
    return go(State::kFields);
  }

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a truth value"); }
  bool number_integer(std::int64_t) { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) { return unexpected("a fraction"); }
  bool binary(nlohmann::json::binary_t&) { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    // The library's own text quotes raw bytes of the file.
    name_.clear();
    return refuse(fmt::format("the header is not valid JSON at its byte {}", position));
  }

 private:
  bool go(State next) {
    state_ = next;
    return true;
  }

  bool refuse(const std::string& what) {
    error_ = name_.empty() ? what : fmt::format("'{}': {}", printable(name_), what);
    return false;
  }

  bool unexpected(const char* what) {
    return refuse(fmt::format("the header has {} where it cannot be", what));
  }

  bool name(const std::string& text) {
    name_ = text;
    if (text.empty()) return refuse("an array has an empty name");
    if (text.size() > limits_.name_bytes)
      return refuse(
          fmt::format("a name of {} bytes, the limit is {}", text.size(), limits_.name_bytes));
    for (const char c : text)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
        return refuse("a name must not hold control characters");
    return go(State::kName);
  }

  const SafetensorsLimits& limits_;
  SafetensorsHeader& header_;
  State state_ = State::kStart;
  std::string name_;
  std::string error_;
  std::size_t count_ = 0;
  bool in_array_ = false;
  bool has_metadata_ = false;
  bool has_type_ = false, has_shape_ = false, has_offsets_ = false;
};

}  // namespace

SafetensorsHeader parse_safetensors_json(std::string_view json, const SafetensorsLimits& limits) {
  if (json.empty() || json.front() != '{') throw Error("the header does not begin with '{'");
  // The library takes a NUL for the end of the text and would not look at what follows.
  if (json.find('\0') != std::string_view::npos) throw Error("the header holds a NUL byte");
  SafetensorsHeader header;
  Handler handler(limits, header);
  const bool read = nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  if (!read || !handler.complete()) throw Error(handler.error());
  return header;
}

}  // namespace ktrain
