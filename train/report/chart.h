// Charts as inline SVG: axes with units, lines, bands, stacked areas. Colours are the page's
// classes c0 .. c7, so that they follow the reader's light or dark setting.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ktrain::report {

struct Point {
  double x = 0, y = 0;
  std::string tip = {};   // what the pointer shows; "": name, x and y
  double lo = 0, hi = 0;  // of a band or bar
  bool silent = false;    // grey: its interval does not tell it from nothing
};

struct Series {
  std::string name = {};
  int color = 0;
  std::vector<Point> points = {};
  bool right = false;  // belongs to the axis at the right
  bool dashed = false;
  bool marks = false;  // a dot at each point
  bool band = false;   // an area from lo to hi
  bool bars = false;   // a bar from lo to hi at each point
  bool no_line = false;
  bool steps = false;  // constant between points
};

struct Rule {  // a horizontal line
  double y = 0;
  std::string label = {};
};

struct Axis {
  std::string label = {};  // with its unit
  bool log = false;
  std::optional<double> least = {}, most = {};
  bool whole = false;  // ticks at whole numbers alone, such as epochs
};

struct Chart {
  std::string title = {};  // above the frame; may be ""
  Axis x = {}, y = {}, right = {};
  std::vector<Series> series = {};
  std::vector<Rule> rules = {};
  std::vector<std::pair<double, std::string>> marks = {};  // vertical lines with a text
  int width = 520, height = 300;
  bool legend = true;  // above the chart; false where legend() stands above the whole figure
};

// <div class="chart"> with a legend and an <svg>; "" when no series has a finite point.
[[nodiscard]] std::string draw(const Chart& chart);
// <ul class="legend"> of the series' names, each once; "" for fewer than two.
[[nodiscard]] std::string legend(const std::vector<Series>& series);

// Small charts in rows, on one scale: what stands higher is more.
struct Panel {
  std::string title = {};
  std::vector<Series> series = {};
};
struct Multiples {
  std::string label = {};  // for screen readers
  Axis x = {}, y = {};
  std::vector<std::vector<Panel>> rows = {};
};
[[nodiscard]] std::string draw(const Multiples& multiples);

// Round positions for `wanted` ticks or so, inside [least, most].
[[nodiscard]] std::vector<double> ticks(double least, double most, int wanted);

}  // namespace ktrain::report
