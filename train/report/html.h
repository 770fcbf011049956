// Text and numbers of the report. Whatever comes from a file goes through `escaped`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ktrain::report {

using Json = nlohmann::ordered_json;

// For element content and for attributes in either kind of quotes. Control bytes and invalid UTF-8
// become \xNN.
[[nodiscard]] std::string escaped(std::string_view text);

// "0.8368", "1.2e-05", "−3"; n significant digits, with a true minus sign.
[[nodiscard]] std::string number(double value, int digits = 4);
[[nodiscard]] std::string number(std::optional<double> value, int digits = 4);  // "n/a" for none
// "0.8368", with a true minus sign: for columns of numbers that are read against each other.
[[nodiscard]] std::string fixed(std::optional<double> value, int decimals = 4);
// "83.68 %", "n/a".
[[nodiscard]] std::string percent(std::optional<double> value, int decimals = 2);

// JSON that may stand inside <script type="application/json">: no "<" is left in it.
[[nodiscard]] std::string script_json(const Json& json);

// A finite number under `key`, none for anything else.
[[nodiscard]] std::optional<double> number_at(const nlohmann::json& json, std::string_view key);
[[nodiscard]] std::string text_at(const nlohmann::json& json, std::string_view key);

// <p class="absent">: why something is not shown.
[[nodiscard]] std::string absent(std::string_view escaped_text);

// <figure> with number, body and caption; the caption is HTML already.
class Figures {
 public:
  [[nodiscard]] std::string figure(const std::string& id, const std::string& body,
                                   const std::string& caption);
  [[nodiscard]] std::string table(const std::string& id, const std::string& body,
                                  const std::string& caption);

 private:
  int figures_ = 0, tables_ = 0;
};

}  // namespace ktrain::report
