// The layouts of data sets that are read, each with its own lists, class names and coordinates.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/labels.h"

namespace ktrain {

// Whose boxes are meant where each modality has its own.
enum class BoxChoice : std::uint8_t { kVisible, kThermal, kMean, kUnion };

struct DataPreset {
  std::string_view name;
  // The lists that a plan means when it names none; "": there is no usual one.
  std::string_view train, val, test;
  double origin;          // coordinate of the first pixel in the annotations
  bool own_boxes;         // each modality may have its own annotation
  BoxChoice boxes;        // the usual choice then
  LabelPolicy labels;     // no "auto" here
  std::string_view tree;  // where files lie, for messages
};

[[nodiscard]] std::span<const DataPreset> data_presets();
[[nodiscard]] std::vector<std::string_view> preset_names();

// Throws Fault KT-DATA-030 when there is none of that name.
[[nodiscard]] const DataPreset& find_preset(std::string_view name);

// "auto" (the preset's choice), "visible", "thermal", "mean", "union". Throws Fault KT-DATA-030 for
// other words, and for any choice but auto where the preset has one annotation for both images.
[[nodiscard]] BoxChoice box_choice(const DataPreset& preset, std::string_view word);

// `asked`, or the preset's own list for "train", "val" or "test" when it is empty. Throws Fault
// KT-DATA-030 when the preset has none.
[[nodiscard]] std::string list_or_own(const DataPreset& preset, std::string_view role,
                                      std::string_view asked);

}  // namespace ktrain
