#include "data/presets.h"

#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr std::string_view kBoxWords[] = {"auto", "visible", "thermal", "mean", "union"};

LabelPolicy kaist_labels() {
  return {{"person"}, {"people", "person?", "cyclist", "ignore", "__ignore__"}, {}};
}

// Sources of the layouts: docs/data.md. KAIST has no validation list of its own; night set 05 is
// kept apart, so that neither the test sets nor any video of the training part is looked at.
const std::array<DataPreset, 10>& table() {
  static const std::array<DataPreset, 10> presets = {{
      {"synth", "train", "val", "val", 0, false, BoxChoice::kVisible, kaist_labels(),
       "imageSets/LIST.txt, images/setSS/VVVV/{visible,lwir}/, annotations/setSS/VVVV/"},
      {"kaist", "train-all-02:!set05", "train-all-02:set05", "test-all-20", 0, false,
       BoxChoice::kVisible, kaist_labels(),
       "imageSets/LIST.txt, images/setSS/VVVV/{visible,lwir}/INNNNN.jpg|png, "
       "annotations/setSS/VVVV/INNNNN.txt|xml"},
      {"kaist-paired", "trainval:!set05", "trainval:set05", "test", 1, true, BoxChoice::kThermal,
       kaist_labels(),
       "imageSets/ or splits/LIST.txt, images/ as kaist, "
       "annotations/setSS/VVVV/{visible,lwir}/INNNNN.txt"},
      {"kaist-sanitized", "train:!set05", "train:set05", "", 1, false, BoxChoice::kThermal,
       kaist_labels(),
       "imageSets/LIST.txt, images/ as kaist, sanitized_annotations/setSS_VVVV_INNNNN.txt"},
      {"kaist-improved", "", "", "test-all-20", 0, false, BoxChoice::kThermal, kaist_labels(),
       "imageSets/LIST.txt, images/ as kaist, annotations_KAIST_test_set/setSS_VVVV_INNNNN.txt"},
      {"llvip",
       "train",
       "test",
       "test",
       1,
       false,
       BoxChoice::kVisible,
       {{"person"}, {"people", "person?", "cyclist", "ignore"}, {}},
       "{visible,infrared}/LIST/NAME.jpg, Annotations/NAME.xml"},
      {"voc", "train", "val", "test", 1, true, BoxChoice::kVisible, kaist_labels(),
       "ImageSets/LIST.txt, {visible,infrared}/NAME.jpg or JPEGImages/NAME.jpg, "
       "Annotations/NAME.xml"},
      {"coco", "train.json", "val.json", "test.json", 0, true, BoxChoice::kVisible, kaist_labels(),
       "LIST.json or annotations/LIST.json; images where it says"},
      {"flir",
       "align_train",
       "align_validation",
       "align_validation",
       1,
       false,
       BoxChoice::kThermal,
       {{"person"}, {}, {"car", "bicycle", "dog"}},
       "LIST.txt, JPEGImages/{NAME_RGB.jpg,NAME_PreviewData.jpeg}, "
       "Annotations/NAME_PreviewData.xml"},
      {"m3fd",
       "",
       "",
       "",
       1,
       false,
       BoxChoice::kVisible,
       {{"People"}, {}, {"Car", "Bus", "Motorcycle", "Lamp", "Truck"}},
       "LIST.txt, {Vis,Ir}/NNNNN.png, Annotation/NNNNN.xml"},
  }};
  return presets;
}

}  // namespace

std::span<const DataPreset> data_presets() { return table(); }

std::vector<std::string_view> preset_names() {
  std::vector<std::string_view> names;
  for (const DataPreset& preset : table()) names.push_back(preset.name);
  return names;
}

const DataPreset& find_preset(std::string_view name) {
  for (const DataPreset& preset : table())
    if (preset.name == name) return preset;
  throw_fault("KT-DATA-030", "no data layout '{}'; wanted one of {}", printable(name),
              fmt::join(preset_names(), ", "));
}

BoxChoice box_choice(const DataPreset& preset, std::string_view word) {
  const auto found = std::find(std::begin(kBoxWords), std::end(kBoxWords), word);
  if (found == std::end(kBoxWords))
    throw_fault("KT-DATA-030", "boxes '{}'; wanted one of {}", printable(word),
                fmt::join(kBoxWords, ", "));
  if (word == "auto") return preset.boxes;
  if (!preset.own_boxes)
    throw_fault("KT-DATA-030",
                "boxes '{}', but layout {} has one annotation for both images; wanted auto", word,
                preset.name);
  return static_cast<BoxChoice>(found - std::begin(kBoxWords) - 1);
}

std::string list_or_own(const DataPreset& preset, std::string_view role, std::string_view asked) {
  if (!asked.empty()) return std::string(asked);
  const std::string_view own = role == "train" ? preset.train
                               : role == "val" ? preset.val
                                               : preset.test;
  if (own.empty())
    throw_fault("KT-DATA-030",
                "layout {} has no {} list of its own; set data.{}, the name of a list of yours",
                preset.name, role, role);
  return std::string(own);
}

}  // namespace ktrain
