// Grids of numbers around 0 as colours: one diverging scale for the whole report, from red (below
// 0: conflict) over white to blue (above 0), distinguishable without red-green vision; hatched grey
// where nothing can be said.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ktrain::report {

struct Cell {
  std::optional<double> value = {};  // none: nothing can be said, or there is nothing
  std::string tip = {};              // exact value and interval, or why it is grey
  std::string text = {};             // inside, where there is room
  bool missing = false;              // nothing was measured here: left empty
};

struct HeatMap {
  std::string title = {};
  std::string x_label = {}, y_label = {};
  std::vector<std::string> rows = {}, columns = {};
  std::vector<std::vector<Cell>> cells = {};  // by row, by column
  double most = 1;                            // the value of the darkest colour
  double cell_width = 0;                      // 0: as wide as fits
  double row_height = 17;
  // Rows whose names differ before the first dot stand a little apart.
  bool data_ids = false;  // data-row and data-column on every cell
};

[[nodiscard]] std::string draw(const HeatMap& map);

// "#rrggbb" for a value in [-1, 1], held inside.
[[nodiscard]] std::string diverging(double value);
// The scale itself, from -most to most.
struct ColorKey {
  double most = 1;
  std::string label = {};           // value and unit
  std::string low = {}, high = {};  // what its ends mean
  std::string grey = {};            // what hatched grey means; "": not shown
};
[[nodiscard]] std::string color_key(const ColorKey& key);
// .05, .1, .2, .5, 1, ...: the first that is not below `value`.
[[nodiscard]] double rounded_limit(double value);

}  // namespace ktrain::report
