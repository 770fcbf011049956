// How the values of a plan are written and what is said about their types.
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "train/plan_keys.h"

namespace ktrain {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // clang 14 does not deduce it

std::string text(bool value) { return value ? "true" : "false"; }
std::string text(std::int64_t value) { return fmt::format("{}", value); }

// Shortest text that reads back to the same double, with a point or exponent so that it is a float.
std::string text(double value) {
  std::string out = fmt::format("{}", value);
  if (out.find_first_of(".en") == std::string::npos) out += ".0";
  return out;
}

std::string text(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", c);
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else
      out += c;
  }
  return out + '"';
}

std::string text(const PlanSize& size) { return fmt::format("[{}, {}]", size.width, size.height); }

std::string text(const Multiplier& m) {
  return fmt::format("{{prefix = {}, lr = {}, decay = {}}}", text(m.prefix), text(m.lr),
                     text(m.decay));
}

template <class T>
std::string text(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) out += (out.empty() ? "" : ", ") + text(value);
  return "[" + out + "]";
}

std::string text(const WeightSchedule& schedule) {
  if (schedule.at.empty()) return text(schedule.value.at(0));
  return fmt::format("{{at = {}, value = {}, unit = {}, shape = {}}}", text(schedule.at),
                     text(schedule.value), text(schedule.unit), text(schedule.shape));
}

// 100000 and 1000000 rather than 1e+06; bounds that only keep sums exact are not worth a word.
std::string range(const PlanKey& key) {
  const auto bound = [](double x) {
    return std::floor(x) == x && std::abs(x) < 1e15 ? fmt::format("{:.0f}", x)
                                                    : fmt::format("{}", x);
  };
  if (key.most >= 1e15) return fmt::format(", {} or more", bound(key.least));
  return fmt::format(" in [{}, {}]", bound(key.least), bound(key.most));
}

}  // namespace

std::string describe_type(const PlanKey& key) {
  return std::visit(
      Overloaded{
          [](bool*) -> std::string { return "true or false"; },
          [&](std::int64_t*) { return "integer" + range(key); },
          [&](double*) { return "number" + range(key); },
          [&](std::string*) -> std::string {
            return key.choices.empty() ? "text"
                                       : fmt::format("one of {}", fmt::join(key.choices, ", "));
          },
          [](Strings*) -> std::string { return "list of texts"; },
          [&](PlanSize*) { return "[width, height], each an integer" + range(key); },
          [&](std::vector<std::int64_t>*) { return "increasing list of integers" + range(key); },
          [&](std::vector<double>*) { return "list of numbers" + range(key); },
          [&](std::vector<Multiplier>*) {
            return "list of {prefix, lr, decay}, factors" + range(key);
          },
          [&](WeightSchedule*) {
            return "number or schedule {at, value, unit, shape}" + range(key);
          },
      },
      key.value);
}

std::string value_text(const PlanKey& key) {
  return std::visit([](const auto* value) { return text(*value); }, key.value);
}

}  // namespace ktrain
