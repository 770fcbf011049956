#include "train/report/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/report/frame.h"
#include "train/report/html.h"

namespace ktrain::report {
namespace {

Frame frame_of(const Chart& chart) {
  Frame f;
  f.width = chart.width;
  f.height = chart.height;
  if (!chart.title.empty()) f.top = 24;
  Range x, y, second;
  for (const Series& s : chart.series)
    for (const Point& p : s.points) {
      x.add(p.x, chart.x.log);
      (s.right ? second : y).add(p.y, (s.right ? chart.right : chart.y).log);
      if (s.band || s.bars) {
        y.add(p.lo, chart.y.log);
        y.add(p.hi, chart.y.log);
      }
    }
  for (const Rule& rule : chart.rules) y.add(rule.y, chart.y.log);
  f.has_second = !second.empty();
  if (f.has_second) f.right = 58;
  f.y = scale_of(y, chart.y, f.y0(), f.y1(), true);
  f.left = std::max(44.0, 28 + tick_width(f.y.ticks(5)));
  f.x = scale_of(x, chart.x, f.x0(), f.x1(), false);
  f.second = scale_of(second, chart.right, f.y0(), f.y1(), true);
  return f;
}

std::string band_path(const Series& s, const Frame& f) {
  std::string there, back;
  for (const Point& p : s.points) {
    if (!std::isfinite(p.lo) || !std::isfinite(p.hi)) continue;
    there += fmt::format("{}{} {}", there.empty() ? "M" : "L", px(f.x(p.x)), px(f.y(p.hi)));
    back.insert(0, fmt::format("L{} {}", px(f.x(p.x)), px(f.y(p.lo))));
  }
  return there.empty()
             ? ""
             : fmt::format("<path class=\"band c{}\" d=\"{}{}Z\"/>\n", s.color, there, back);
}

std::string rules_of(const Chart& chart, const Frame& f) {
  std::string out;
  for (const Rule& rule : chart.rules)
    out += fmt::format(
        "<path class=\"rule\" d=\"M{} {}H{}\"/><text class=\"note\" x=\"{}\" y=\"{}\" "
        "text-anchor=\"end\">{}</text>\n",
        px(f.x0()), px(f.y(rule.y)), px(f.x1()), px(f.x1() - 3), px(f.y(rule.y) - 4),
        escaped(rule.label));
  for (const auto& [x, label] : chart.marks)
    if (f.x.holds(x))
      out += fmt::format(
          "<path class=\"rule\" d=\"M{0} {1}V{2}\"/><text class=\"note\" x=\"{3}\" "
          "y=\"{4}\">{5}</text>\n",
          px(f.x(x)), px(f.y0()), px(f.y1()), px(f.x(x) + 3), px(f.y1() + 9), escaped(label));
  return out;
}

}  // namespace

std::string legend(const std::vector<Series>& series) {
  std::string out;
  std::vector<std::string> seen;
  for (const Series& s : series) {
    if (s.points.empty() || s.name.empty() ||
        std::find(seen.begin(), seen.end(), s.name) != seen.end())
      continue;
    seen.push_back(s.name);
    out += fmt::format("<li><i class=\"{} c{}{}\"></i>{}</li>", s.no_line ? "key dot-key" : "key",
                       s.color, s.dashed ? " dashed" : "", escaped(s.name));
  }
  return seen.size() < 2 ? "" : "<ul class=\"legend\">" + out + "</ul>\n";
}

std::string draw(const Chart& chart) {
  const bool any = std::any_of(chart.series.begin(), chart.series.end(), [](const Series& s) {
    return std::any_of(s.points.begin(), s.points.end(),
                       [](const Point& p) { return std::isfinite(p.y); });
  });
  if (!any) return "";
  const Frame f = frame_of(chart);
  std::string out = "<div class=\"chart\">" + (chart.legend ? legend(chart.series) : std::string());
  out += svg_begin(f.width, f.height,
                   fmt::format("{}: {} by {}", chart.title.empty() ? "chart" : chart.title,
                               chart.y.label, chart.x.label));
  out += axes(f, chart.x, chart.y, chart.right, chart.title);
  for (const Series& s : chart.series)
    if (s.band) out += band_path(s, f);
  out += rules_of(chart, f);
  for (const Series& s : chart.series)
    if (!s.no_line) out += line_path(s, f.x, s.right ? f.second : f.y);
  for (const Series& s : chart.series)
    out += point_marks(s, f.x, s.right ? f.second : f.y, chart.x.label);
  return out + "</svg></div>\n";
}

}  // namespace ktrain::report
