// Small multiples: one SVG of panels in rows, all on the same axes.
#include <algorithm>
#include <cmath>

#include "train/report/chart.h"
#include "train/report/frame.h"
#include "train/report/html.h"

namespace ktrain::report {
namespace {

constexpr double kWidth = 1080, kRight = 8, kTop = 24, kBottom = 26, kHeight = 84, kGutter = 14;

// Where one panel stands, and its scales.
struct Place {
  double x0 = 0, x1 = 0, y0 = 0, y1 = 0;  // y0 below
  Scale x, y;
};

std::string panel_svg(const Multiples& m, const Panel& panel, const Place& at, bool first) {
  std::string out = fmt::format("<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>\n", px(at.x0),
                                px(at.y1 - 6), escaped(panel.title));
  for (const double t : at.y.ticks(4)) {
    out += fmt::format("<path class=\"grid\" d=\"M{} {}H{}\"/>", px(at.x0), px(at.y(t)), px(at.x1));
    if (first)
      out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                         px(at.x0 - 6), px(at.y(t) + 3.5), number(t));
  }
  for (const double t : at.x.ticks(4, m.x.whole))
    out += fmt::format(
        "<path class=\"axis\" d=\"M{0} {1}v3\"/><text class=\"tick\" x=\"{0}\" y=\"{2}\" "
        "text-anchor=\"middle\">{3}</text>",
        px(at.x(t)), px(at.y0), px(at.y0 + 14), number(t));
  out += fmt::format("<path class=\"axis\" d=\"M{} {}H{}\"/>\n", px(at.x0), px(at.y0), px(at.x1));
  for (const Series& s : panel.series) out += line_path(s, at.x, at.y);
  for (const Series& s : panel.series) out += point_marks(s, at.x, at.y, m.x.label);
  return out;
}

}  // namespace

std::string draw(const Multiples& m) {
  Range x, y;
  std::size_t columns = 0;
  for (const auto& row : m.rows) {
    columns = std::max(columns, row.size());
    for (const Panel& panel : row)
      for (const Series& s : panel.series)
        for (const Point& p : s.points) {
          x.add(p.x, false);
          y.add(p.y, false);
        }
  }
  if (columns == 0 || y.empty()) return "";
  const double pitch = kTop + kHeight + kBottom;
  const double height = pitch * static_cast<double>(m.rows.size()) + 18;
  const double left = 30 + tick_width(scale_of(y, m.y, 1, 0, true).ticks(4));
  const double wide = (kWidth - left - kRight + kGutter) / static_cast<double>(columns);
  std::string out = "<div class=\"scroll\"><div class=\"multiples\">" +
                    svg_begin(kWidth, height, m.label.empty() ? m.y.label : m.label);
  for (std::size_t r = 0; r < m.rows.size(); ++r)
    for (std::size_t c = 0; c < m.rows[r].size(); ++c) {
      Place at;
      at.x0 = left + wide * static_cast<double>(c);
      at.x1 = at.x0 + wide - kGutter;
      at.y1 = pitch * static_cast<double>(r) + kTop;
      at.y0 = at.y1 + kHeight;
      at.x = scale_of(x, m.x, at.x0 + 4, at.x1 - 4, false);
      at.y = scale_of(y, m.y, at.y0, at.y1, true);
      out += panel_svg(m, m.rows[r][c], at, c == 0);
    }
  out += fmt::format(
      "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n"
      "<text class=\"label\" transform=\"translate(11 {}) rotate(-90)\" "
      "text-anchor=\"middle\">{}</text>\n",
      px((left + kWidth - kRight) / 2), px(height - 4), escaped(m.x.label),
      px((height - kBottom) / 2), escaped(m.y.label));
  return out + "</svg></div></div>\n";
}

}  // namespace ktrain::report
