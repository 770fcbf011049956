#include "train/report/html.h"

#include <cmath>

#include "runtime/fault.h"

namespace ktrain::report {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text, 4 * text.size() + 4)) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string number(double value, int digits) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "inf" : "\u2212inf";
  std::string text = fmt::format("{:.{}g}", value == 0 ? 0.0 : value, digits);
  for (std::size_t at = 0; (at = text.find('-', at)) != std::string::npos; at += 3)
    text.replace(at, 1, "\u2212");
  return text;
}

std::string number(std::optional<double> value, int digits) {
  return value ? number(*value, digits) : "n/a";
}

std::string fixed(std::optional<double> value, int decimals) {
  if (!value) return "n/a";
  std::string text = fmt::format("{:.{}f}", std::abs(*value), decimals);
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return (*value < 0 && !zero ? "\u2212" : "") + text;
}

std::string percent(std::optional<double> value, int decimals) {
  return value ? fmt::format("{:.{}f} %", *value * 100, decimals) : "n/a";
}

std::string script_json(const Json& json) {
  std::string out;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace))
    if (c == '<' || c == '>' || c == '&')
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  return out;
}

std::optional<double> number_at(const nlohmann::json& json, std::string_view key) {
  if (!json.is_object()) return std::nullopt;
  const auto at = json.find(key);
  if (at == json.end() || !at->is_number()) return std::nullopt;
  const auto value = at->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::string text_at(const nlohmann::json& json, std::string_view key) {
  if (!json.is_object()) return "";
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}

std::string absent(std::string_view text) {
  return fmt::format("<p class=\"absent\">{}</p>\n", text);
}

std::string Figures::figure(const std::string& id, const std::string& body,
                            const std::string& caption) {
  return fmt::format(
      "<figure id=\"{}\">\n{}<figcaption><b>Figure {}.</b> {}</figcaption>\n</figure>\n", id, body,
      ++figures_, caption);
}

std::string Figures::table(const std::string& id, const std::string& body,
                           const std::string& caption) {
  return fmt::format(
      "<figure id=\"{}\" class=\"table\">\n<figcaption><b>Table {}.</b> {}</figcaption>\n<div "
      "class=\"scroll\">{}</div></figure>\n",
      id, ++tables_, caption, body);
}

}  // namespace ktrain::report
