// KAIST and the built-in set, which is written in KAIST's layout. The families of annotations lie
// in folders of their own, so that one is never taken for another: no family falls back on the
// original annotations.
#include <algorithm>

#include "data/pair_list.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

struct FrameName {
  std::string video;  // set00/V000
  std::string frame;  // I00019
  [[nodiscard]] std::string id() const { return video + "/" + frame; }
  [[nodiscard]] std::string flat() const {
    std::string name = id();
    std::replace(name.begin(), name.end(), '/', '_');
    return name;
  }
};

// "set00/V000/I00019" or "set00_V000_I00019".
FrameName frame_name(std::string_view line, const std::string& place) {
  std::string id(line);
  if (std::count(id.begin(), id.end(), '/') == 0 && std::count(id.begin(), id.end(), '_') == 2)
    std::replace(id.begin(), id.end(), '_', '/');
  if (std::count(id.begin(), id.end(), '/') != 2)
    throw_fault("KT-DATA-009", "{}: found '{}', wanted setSS/VVVV/INNNNN", place, printable(line));
  const std::size_t slash = id.rfind('/');
  return {id.substr(0, slash), id.substr(slash + 1)};
}

std::string image_file(const DataFolder& folder, const DataPreset& preset, const FrameName& name,
                       const std::string& modality) {
  const std::string stem = "images/" + name.video + "/" + modality + "/" + name.frame;
  std::vector<std::string> paths = {stem + ".jpg", stem + ".png"};
  // The sanitized annotations come with a flat tree of PNG files per part.
  if (preset.name == "kaist-sanitized" || preset.name == "kaist-improved")
    for (const char* const part : {"train", "test"})
      for (const char* const extension : {".png", ".jpg"})
        paths.push_back(std::string(part) + "/images/" + modality + "/" + name.flat() + extension);
  return first_file(folder, paths);
}

std::vector<std::string> annotation_files(const DataFolder& folder, const DataPreset& preset,
                                          const FrameName& name) {
  const std::string id = name.id(), flat = name.flat() + ".txt";
  if (preset.name == "kaist-paired") {
    const auto file = [&](const std::string& modality) {
      const std::string rest = name.video + "/" + modality + "/" + name.frame + ".txt";
      return first_file(folder, {"annotations/" + rest, "annotations_paired/" + rest});
    };
    return {file("visible"), file("lwir")};
  }
  if (preset.name == "kaist-sanitized")
    return {first_file(
        folder,
        {"sanitized_annotations/" + flat, "sanitized_annotations/sanitized_annotations/" + flat,
         "annotations_sanitized/" + flat, "train/annotations_sanitized/" + flat})};
  if (preset.name == "kaist-improved")
    return {first_file(
        folder, {"annotations_KAIST_test_set/" + flat, "annotations_KAIST_test_set/" + id + ".txt",
                 "test-all/annotations_KAIST_test_set/" + flat})};
  return {first_file(folder, {"annotations/" + id + ".txt", "annotations/" + id + ".xml",
                              "annotations-xml/" + id + ".xml"})};
}

}  // namespace

PairList list_kaist(const DataFolder& folder, const DataPreset& preset, const ListName& list) {
  PairList all;
  for_each_listed(folder, list.name, {"imageSets", "splits", ""},
                  [&](std::string_view line, const std::string& place) {
                    const FrameName name = frame_name(line, place);
                    if (!list.keeps(name.id())) return;
                    ListedPair pair;
                    pair.id = name.id();
                    pair.group = name.video;
                    pair.visible = image_file(folder, preset, name, "visible");
                    pair.thermal = image_file(folder, preset, name, "lwir");
                    pair.annotations = annotation_files(folder, preset, name);
                    pair.line = line;
                    pair.place = place;
                    all.pairs.push_back(std::move(pair));
                  });
  return all;
}

}  // namespace ktrain
