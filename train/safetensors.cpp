#include "train/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/safetensors_json.h"

namespace ktrain {
namespace {

struct TypeRow {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::array<TypeRow, 10> kTypes = {{{"F64", 8},
                                             {"F32", 4},
                                             {"F16", 2},
                                             {"BF16", 2},
                                             {"I64", 8},
                                             {"I32", 4},
                                             {"I16", 2},
                                             {"I8", 1},
                                             {"U8", 1},
                                             {"BOOL", 1}}};

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

std::uint64_t checked_bytes(const ArraySpec& spec) {
  std::uint64_t bytes = element_bytes(spec.type);
  for (const std::int64_t extent : spec.shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes))
      refuse("array '{}': the size of {} overflows", printable(spec.name), spec.text());
  }
  return bytes;
}

void index_names(SafetensorsHeader& header) {
  header.by_name.resize(header.entries.size());
  std::iota(header.by_name.begin(), header.by_name.end(), std::size_t{0});
  const auto name = [&](std::size_t i) { return std::string_view(header.entries[i].spec.name); };
  std::sort(header.by_name.begin(), header.by_name.end(),
            [&](std::size_t a, std::size_t b) { return name(a) < name(b); });
  const auto twice =
      std::adjacent_find(header.by_name.begin(), header.by_name.end(),
                         [&](std::size_t a, std::size_t b) { return name(a) == name(b); });
  if (twice != header.by_name.end()) refuse("array '{}' is listed twice", printable(name(*twice)));
}

// Sorted by place, the arrays must touch, start at 0 and end with the file.
void check_ranges(const SafetensorsHeader& header, std::uint64_t data_bytes) {
  std::uint64_t at = 0;
  for (const auto& [spec, begin, end] : header.entries) {
    const std::uint64_t wanted = checked_bytes(spec);
    if (end < begin || end - begin != wanted)
      refuse("array '{}': bytes {} to {} cannot hold {}, which takes {}", printable(spec.name),
             begin, end, spec.text(), wanted);
    if (begin != at)
      refuse("array '{}' begins at byte {}, but the one before ends at {}: {}",
             printable(spec.name), begin, at, begin > at ? "a gap" : "an overlap");
    at = end;
  }
  if (at != data_bytes)
    refuse("the arrays end at byte {} of the data, the file has {} ({})", at, data_bytes,
           at > data_bytes ? "truncated?" : "surplus bytes");
}

// Padded with blanks, so that the arrays start at a multiple of eight.
std::string with_length(std::string json) {
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = json.size();
  std::string head(8, '\0');
  std::memcpy(head.data(), &length, 8);
  return head + json;
}

std::string json_string(std::string_view text) try {
  return nlohmann::json(text).dump(-1, ' ', true);
} catch (const nlohmann::json::exception&) {
  refuse("'{}' is not valid UTF-8", printable(text));
}

}  // namespace

std::uint64_t element_bytes(ArrayType type) { return kTypes[static_cast<std::size_t>(type)].bytes; }
std::string_view type_name(ArrayType type) { return kTypes[static_cast<std::size_t>(type)].name; }

std::optional<ArrayType> find_array_type(std::string_view name) {
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<ArrayType>(i);
  return std::nullopt;
}

std::uint64_t ArraySpec::bytes() const { return checked_bytes(*this); }

std::string ArraySpec::text() const {
  return fmt::format("{} [{}]", type_name(type), fmt::join(shape, ", "));
}

NamedArray named_array(std::string name, std::vector<std::int64_t> shape,
                       std::span<const float> values) {
  return {{std::move(name), ArrayType::kF32, std::move(shape)}, std::as_bytes(values)};
}

NamedArray named_array(std::string name, std::vector<std::int64_t> shape,
                       std::span<const std::int64_t> values) {
  return {{std::move(name), ArrayType::kI64, std::move(shape)}, std::as_bytes(values)};
}

const SafetensorsEntry* SafetensorsHeader::find(std::string_view name) const {
  const auto found = std::lower_bound(
      by_name.begin(), by_name.end(), name,
      [&](std::size_t i, std::string_view key) { return entries[i].spec.name < key; });
  return found != by_name.end() && entries[*found].spec.name == name ? &entries[*found] : nullptr;
}

std::uint64_t safetensors_header_end(std::span<const std::byte> first_bytes,
                                     std::uint64_t file_bytes, const SafetensorsLimits& limits) {
  if (file_bytes < 8 || first_bytes.size() < 8)
    refuse("the file has {} bytes, too few for a header", file_bytes);
  std::uint64_t length;
  std::memcpy(&length, first_bytes.data(), 8);
  if (length > limits.header_bytes)
    refuse("the header claims {} bytes, the limit is {}", length, limits.header_bytes);
  if (length > file_bytes - 8)
    refuse("the header claims {} bytes, the file has {} (truncated?)", length, file_bytes);
  return 8 + length;
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> first_bytes,
                                    std::uint64_t file_bytes, const SafetensorsLimits& limits) {
  const std::uint64_t header_end = safetensors_header_end(first_bytes, file_bytes, limits);
  if (first_bytes.size() < header_end)
    refuse("only {} of the header's {} bytes are at hand", first_bytes.size(), header_end);
  const std::string_view json(reinterpret_cast<const char*>(first_bytes.data()) + 8,
                              header_end - 8);
  SafetensorsHeader header = parse_safetensors_json(json, limits);
  header.header_end = header_end;
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.spec.name) < std::tie(b.begin, b.end, b.spec.name);
  });
  index_names(header);
  check_ranges(header, file_bytes - header_end);
  return header;
}

SafetensorsPlan plan_safetensors(std::span<const ArraySpec> specs, const Metadata& metadata,
                                 std::string_view last, const SafetensorsLimits& limits) {
  SafetensorsPlan plan;
  plan.order.resize(specs.size());
  std::iota(plan.order.begin(), plan.order.end(), std::size_t{0});
  const auto rank = [&](std::size_t i) {
    return std::tuple(specs[i].name == last,
                      std::numeric_limits<std::uint64_t>::max() - element_bytes(specs[i].type));
  };
  std::sort(plan.order.begin(), plan.order.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(rank(a), std::string_view(specs[a].name)) <
           std::tuple(rank(b), std::string_view(specs[b].name));
  });

  std::string json = "{\"__metadata__\":{";
  std::string_view comma;
  for (const auto& [key, value] : metadata) {
    json += fmt::format("{}{}:{}", comma, json_string(key), json_string(value));
    comma = ",";
  }
  json += "}";
  std::uint64_t at = 0;
  for (const std::size_t i : plan.order) {
    const std::uint64_t bytes = checked_bytes(specs[i]);
    json += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        json_string(specs[i].name), type_name(specs[i].type),
                        fmt::join(specs[i].shape, ","), at, at + bytes);
    at += bytes;
  }
  json += "}";
  plan.head = with_length(std::move(json));
  plan.file_bytes = plan.head.size() + at;
  // What is written must be readable: the reader's limits hold here too.
  (void)parse_safetensors(std::as_bytes(std::span(plan.head)), plan.file_bytes, limits);
  return plan;
}

std::vector<std::byte> write_safetensors(std::span<const NamedArray> arrays,
                                         const Metadata& metadata) {
  std::vector<ArraySpec> specs;
  for (const NamedArray& array : arrays) {
    if (array.bytes.size() != array.spec.bytes())
      refuse("array '{}': {} takes {} bytes, {} given", printable(array.spec.name),
             array.spec.text(), array.spec.bytes(), array.bytes.size());
    specs.push_back(array.spec);
  }
  const SafetensorsPlan plan = plan_safetensors(specs, metadata);
  std::vector<std::byte> file;
  file.reserve(plan.file_bytes);
  const auto head = std::as_bytes(std::span(plan.head));
  file.insert(file.end(), head.begin(), head.end());
  for (const std::size_t i : plan.order)
    file.insert(file.end(), arrays[i].bytes.begin(), arrays[i].bytes.end());
  return file;
}

}  // namespace ktrain
