// The frame of a chart: from numbers to pixels, axes and ticks.
#pragma once

#include <limits>
#include <string>

#include "train/report/chart.h"

namespace ktrain::report {

// One axis' numbers on its pixels. With a logarithm, numbers must be above 0.
class Scale {
 public:
  Scale() = default;
  Scale(double least, double most, double from, double to, bool log);

  [[nodiscard]] double operator()(double value) const;
  [[nodiscard]] bool holds(double value) const;
  [[nodiscard]] double least() const { return least_; }
  [[nodiscard]] double most() const { return most_; }
  [[nodiscard]] bool log() const { return log_; }
  // `whole`: at whole numbers alone, where there are two of them.
  [[nodiscard]] std::vector<double> ticks(int wanted, bool whole = false) const;

 private:
  double least_ = 0, most_ = 1, from_ = 0, to_ = 1;
  bool log_ = false;
};

// Least and most of what is to be seen.
struct Range {
  double least = std::numeric_limits<double>::infinity(), most = -least;

  void add(double value, bool log);
  [[nodiscard]] bool empty() const { return !(least <= most); }
};
// The axis' own limits, else the range's, with some room around it when `margin`.
[[nodiscard]] Scale scale_of(Range range, const Axis& axis, double from, double to, bool margin);

struct Frame {
  double left = 56, right = 16, top = 14, bottom = 44;
  double width = 520, height = 300;
  Scale x, y, second;
  bool has_second = false;

  [[nodiscard]] double x0() const { return left; }
  [[nodiscard]] double x1() const { return width - right; }
  [[nodiscard]] double y0() const { return height - bottom; }
  [[nodiscard]] double y1() const { return top; }
};

// Pixels that the widest of the ticks takes.
[[nodiscard]] double tick_width(const std::vector<double>& ticks);
// A polyline's path; `steps`: constant between points; gaps are shown as such.
[[nodiscard]] std::string line_path(const Series& series, const Scale& x, const Scale& y);
// What the pointer finds, and bars; of very many points every k-th.
[[nodiscard]] std::string point_marks(const Series& series, const Scale& x, const Scale& y,
                                      const std::string& x_label);

// Grid, ticks and labels. `title` stands above the frame.
[[nodiscard]] std::string axes(const Frame& frame, const Axis& x, const Axis& y, const Axis& second,
                               const std::string& title);
// "<svg ...>" with the name for screen readers.
[[nodiscard]] std::string svg_begin(double width, double height, const std::string& label);
// A number of pixels, two decimals at most.
[[nodiscard]] std::string px(double value);

}  // namespace ktrain::report
