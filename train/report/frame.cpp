#include "train/report/frame.h"

#include <algorithm>
#include <cmath>

#include "train/report/html.h"

namespace ktrain::report {

Scale::Scale(double least, double most, double from, double to, bool log)
    : least_(least), most_(most), from_(from), to_(to), log_(log) {
  if (!(most_ > least_)) {
    const double room = log_ ? 0 : std::max(1e-3, std::abs(least_) * 0.05);
    least_ = log_ ? least_ / 1.5 : least_ - room;
    most_ = log_ ? most_ * 1.5 : most_ + room;
  }
}

double Scale::operator()(double value) const {
  const double way = log_ ? std::log(value / least_) / std::log(most_ / least_)
                          : (value - least_) / (most_ - least_);
  return from_ + std::clamp(way, -0.02, 1.02) * (to_ - from_);
}

bool Scale::holds(double value) const { return std::isfinite(value) && (!log_ || value > 0); }

std::vector<double> ticks(double least, double most, int wanted) {
  const double raw = (most - least) / std::max(wanted, 1);
  if (!(raw > 0) || !std::isfinite(raw)) return {least};
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power * 1.0001) {
      step = factor * power;
      break;
    }
  std::vector<double> out;
  const double slack = 1e-9 * step;
  for (double k = std::ceil((least - slack) / step); k * step <= most + slack; k += 1) {
    out.push_back(k == 0 ? 0.0 : k * step);
    if (out.size() > 50) break;
  }
  return out;
}

std::vector<double> Scale::ticks(int wanted, bool whole) const {
  if (!log_) {
    std::vector<double> out = report::ticks(least_, most_, wanted);
    if (whole) std::erase_if(out, [](double t) { return std::abs(t - std::round(t)) > 1e-6; });
    return whole && out.size() < 2 ? report::ticks(least_, most_, wanted) : out;
  }
  std::vector<double> out;
  const bool fine = most_ / least_ < 100;
  for (double power = std::pow(10.0, std::floor(std::log10(least_))); power <= most_ * 1.0001;
       power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if ((factor == 1.0 || fine) && factor * power >= least_ * 0.9999 &&
          factor * power <= most_ * 1.0001)
        out.push_back(factor * power);
  return out;
}

void Range::add(double value, bool log) {
  if (!std::isfinite(value) || (log && value <= 0)) return;
  least = std::min(least, value);
  most = std::max(most, value);
}

Scale scale_of(Range range, const Axis& axis, double from, double to, bool margin) {
  if (range.empty()) range = {axis.log ? 0.1 : 0.0, 1.0};
  if (margin && !axis.log) {
    const double room = 0.04 * (range.most - range.least);
    // A curve that is never negative does not begin below 0.
    range.least = range.least >= 0 ? std::max(0.0, range.least - room) : range.least - room;
    range.most += room;
  }
  return {axis.least.value_or(range.least), axis.most.value_or(range.most), from, to, axis.log};
}

double tick_width(const std::vector<double>& ticks) {
  std::size_t longest = 1;
  for (const double t : ticks) {
    const std::string text = number(t);
    // A true minus sign has three bytes.
    longest = std::max(longest, text.size() - (t < 0 ? 2 : 0));
  }
  return 5.9 * static_cast<double>(longest);
}

std::string line_path(const Series& s, const Scale& x, const Scale& y) {
  std::string d;
  bool open = false;
  double before = 0;
  for (const Point& p : s.points) {
    if (!x.holds(p.x) || !y.holds(p.y)) {
      open = false;  // a gap is shown as one
      continue;
    }
    if (open && s.steps) d += fmt::format("L{} {}", px(x(p.x)), px(y(before)));
    d += fmt::format("{}{} {}", open ? "L" : "M", px(x(p.x)), px(y(p.y)));
    open = true;
    before = p.y;
  }
  return fmt::format("<path class=\"line c{}{}\" d=\"{}\"/>\n", s.color, s.dashed ? " dashed" : "",
                     d);
}

std::string point_marks(const Series& s, const Scale& x, const Scale& y,
                        const std::string& x_label) {
  constexpr std::size_t kMost = 250;
  const std::size_t every = s.points.size() / kMost + 1;
  std::string out;
  for (std::size_t i = 0; i < s.points.size(); i += every) {
    const Point& p = s.points[i];
    if (!x.holds(p.x) || !y.holds(p.y)) continue;
    const std::string tip = !p.tip.empty() ? p.tip
                                           : fmt::format("{}: {} at {} {}", s.name, number(p.y, 6),
                                                         x_label, number(p.x, 6));
    const std::string color = p.silent ? "none" : fmt::format("c{}", s.color);
    if (s.bars && y.holds(p.lo) && y.holds(p.hi))
      out += fmt::format("<path class=\"bar {}\" d=\"M{} {}V{}\"/>", color, px(x(p.x)), px(y(p.lo)),
                         px(y(p.hi)));
    out += fmt::format(
        "<circle class=\"{} {}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{}</title></circle>\n",
        s.marks ? "dot" : "hit", color, px(x(p.x)), px(y(p.y)), s.marks ? "3" : "5", escaped(tip));
  }
  return out;
}

std::string px(double value) {
  std::string text = fmt::format("{:.2f}", value);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string svg_begin(double width, double height, const std::string& label) {
  // Not much larger than drawn, so that text has one size on the whole page.
  return fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" style=\"max-width:{2}px\" role=\"img\" aria-label=\"{3}\">\n",
      px(width), px(height), px(1.1 * width), escaped(label));
}

std::string axes(const Frame& f, const Axis& x, const Axis& y, const Axis& second,
                 const std::string& title) {
  std::string out;
  for (const double t : f.y.ticks(5)) {
    const std::string at = px(f.y(t));
    out += fmt::format("<path class=\"grid\" d=\"M{} {}H{}\"/>", px(f.x0()), at, px(f.x1()));
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                       px(f.x0() - 6), px(f.y(t) + 3.5), number(t));
  }
  for (const double t : f.x.ticks(6, x.whole)) {
    const std::string at = px(f.x(t));
    out += fmt::format("<path class=\"axis\" d=\"M{} {}v4\"/>", at, px(f.y0()));
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                       at, px(f.y0() + 16), number(t));
  }
  out += fmt::format("<path class=\"axis\" d=\"M{} {}H{}\"/>", px(f.x0()), px(f.y0()), px(f.x1()));
  out += fmt::format("<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     px((f.x0() + f.x1()) / 2), px(f.height - 8), escaped(x.label));
  out += fmt::format(
      "<text class=\"label\" transform=\"translate(13 {}) rotate(-90)\" "
      "text-anchor=\"middle\">{}</text>\n",
      px((f.y0() + f.y1()) / 2), escaped(y.label));
  if (f.has_second) {
    for (const double t : f.second.ticks(4))
      out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>\n", px(f.x1() + 6),
                         px(f.second(t) + 3.5), number(t));
    out += fmt::format(
        "<text class=\"label\" transform=\"translate({} {}) rotate(90)\" "
        "text-anchor=\"middle\">{}</text>\n",
        px(f.width - 11), px((f.y0() + f.y1()) / 2), escaped(second.label));
  }
  if (!title.empty())
    out += fmt::format("<text class=\"title\" x=\"{}\" y=\"12\">{}</text>\n", px(f.x0()),
                       escaped(title));
  return out;
}

}  // namespace ktrain::report
