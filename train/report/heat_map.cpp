#include "train/report/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "train/report/frame.h"
#include "train/report/html.h"

namespace ktrain::report {
namespace {

using Rgb = std::array<double, 3>;

// ColorBrewer's RdBu, seven of its steps.
constexpr std::array<Rgb, 7> kSteps = {{{178, 24, 43},
                                        {239, 138, 98},
                                        {253, 219, 199},
                                        {247, 247, 247},
                                        {209, 229, 240},
                                        {103, 169, 207},
                                        {33, 102, 172}}};

// Dark text on light cells.
const char* text_class(double share) { return std::abs(share) > 0.75 ? "in light" : "in"; }

std::string cell_svg(const HeatMap& map, std::size_t row, std::size_t column, double x, double y,
                     double width) {
  const Cell& cell = map.cells[row][column];
  if (cell.missing) return "";
  const double share = cell.value ? *cell.value / map.most : 0;
  std::string out = fmt::format(
      "<rect class=\"cell{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}{}>",
      cell.value ? "" : " none", px(x), px(y), px(width), px(map.row_height),
      cell.value ? fmt::format(" fill=\"{}\"", diverging(share)) : " fill=\"url(#hatch)\"",
      map.data_ids ? fmt::format(" data-row=\"{}\" data-column=\"{}\" data-value=\"{}\"",
                                 escaped(map.rows[row]), escaped(map.columns[column]),
                                 cell.value ? fmt::format("{}", *cell.value) : "")
                   : "");
  out += fmt::format("<title>{}</title></rect>", escaped(cell.tip));
  if (!cell.text.empty() && width >= 5.6 * static_cast<double>(cell.text.size()))
    out += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       text_class(share), px(x + width / 2), px(y + map.row_height / 2 + 3.5),
                       escaped(cell.text));
  return out + "\n";
}

// "visible" of "visible.layer1"; "" without a dot.
std::string_view stream_of(const std::string& row) {
  const std::size_t dot = row.find('.');
  return dot == std::string::npos ? std::string_view() : std::string_view(row).substr(0, dot);
}

// As many names of columns as fit, the first and the last among them.
std::string column_names(const HeatMap& map, double x0, double y, double width) {
  std::size_t longest = 1;
  for (const std::string& name : map.columns) longest = std::max(longest, name.size());
  const auto every = static_cast<std::size_t>(
      std::ceil((6.0 * static_cast<double>(longest) + 8) / std::max(width, 0.1)));
  std::string out;
  for (std::size_t i = 0; i < map.columns.size(); i += every)
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       px(x0 + (static_cast<double>(i) + 0.5) * width), px(y),
                       escaped(map.columns[i]));
  return out + "\n";
}

}  // namespace

std::string diverging(double value) {
  const double at = (std::clamp(value, -1.0, 1.0) + 1) / 2 * (kSteps.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), kSteps.size() - 2);
  const double way = at - static_cast<double>(below);
  std::string out = "#";
  for (std::size_t c = 0; c < 3; ++c)
    out += fmt::format("{:02x}", static_cast<int>(std::lround(kSteps[below][c] * (1 - way) +
                                                              kSteps[below + 1][c] * way)));
  return out;
}

double rounded_limit(double value) {
  for (double power = 1e-6; power < 1e9; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor * power >= value * 0.9999) return factor * power;
  return value;
}

std::string draw(const HeatMap& map) {
  if (map.rows.empty() || map.columns.empty()) return "";
  constexpr double kGap = 5;
  std::size_t longest = 4;
  for (const std::string& row : map.rows) longest = std::max(longest, row.size());
  const double left = 32 + 6.1 * static_cast<double>(std::min<std::size_t>(longest, 24));
  const double top = map.title.empty() ? 6 : 22;
  const double room = std::max(120.0, 508 - left);
  const double width = map.cell_width > 0
                           ? map.cell_width
                           : std::min(74.0, room / static_cast<double>(map.columns.size()));
  const double x1 = left + width * static_cast<double>(map.columns.size());
  std::string rows;
  double y = top;
  for (std::size_t r = 0; r < map.rows.size(); ++r, y += map.row_height) {
    if (r > 0 && stream_of(map.rows[r]) != stream_of(map.rows[r - 1])) y += kGap;
    rows += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                        px(left - 6), px(y + map.row_height / 2 + 3.5), escaped(map.rows[r]));
    for (std::size_t c = 0; c < map.columns.size(); ++c)
      rows += cell_svg(map, r, c, left + width * static_cast<double>(c), y, width);
  }
  const double wide =
      std::max({x1 + 12, 260.0, left + 7.0 * static_cast<double>(map.title.size())});
  std::string out = "<div class=\"chart\">";
  out += svg_begin(map.cell_width > 0 ? wide : 520, y + 40, map.title);
  if (!map.title.empty())
    out += fmt::format("<text class=\"title\" x=\"{}\" y=\"12\">{}</text>\n", px(left),
                       escaped(map.title));
  out += rows + column_names(map, left, y + 14, width);
  out += fmt::format("<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                     px((left + x1) / 2), px(y + 32), escaped(map.x_label));
  if (!map.y_label.empty())
    out += fmt::format(
        "<text class=\"label\" transform=\"translate(11 {}) rotate(-90)\" "
        "text-anchor=\"middle\">{}</text>",
        px((top + y) / 2), escaped(map.y_label));
  return out + "</svg></div>\n";
}

std::string color_key(const ColorKey& key) {
  constexpr int kBoxes = 61;
  constexpr double kWidth = 4, kLeft = 24, kRight = kLeft + kWidth * kBoxes;
  std::string out = "<div class=\"key-strip\">" + svg_begin(520, 58, key.label);
  out += fmt::format("<text class=\"label\" x=\"{}\" y=\"10\">{}</text>", px(kLeft),
                     escaped(key.label));
  for (int i = 0; i < kBoxes; ++i)
    out += fmt::format("<rect x=\"{}\" y=\"16\" width=\"4.2\" height=\"12\" fill=\"{}\"/>",
                       px(kLeft + kWidth * i), diverging(2.0 * i / (kBoxes - 1) - 1));
  for (const double share : {-1.0, -0.5, 0.0, 0.5, 1.0})
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"40\" text-anchor=\"middle\">{}</text>",
                       px(kLeft + kWidth * kBoxes * (share + 1) / 2), number(share * key.most));
  out += fmt::format(
      "<text class=\"tick\" x=\"{}\" y=\"53\">{}</text><text class=\"tick\" x=\"{}\" y=\"53\" "
      "text-anchor=\"end\">{}</text>",
      px(kLeft), escaped(key.low), px(kRight), escaped(key.high));
  if (!key.grey.empty())
    out += fmt::format(
        "<rect class=\"cell none\" x=\"{}\" y=\"16\" width=\"18\" height=\"12\" "
        "fill=\"url(#hatch)\"/><text class=\"tick\" x=\"{}\" y=\"26\">{}</text>",
        px(kRight + 28), px(kRight + 52), escaped(key.grey));
  return out + "</svg></div>\n";
}

}  // namespace ktrain::report
