// From the name of a list to the files of its pairs: what each layout does differently. Internal to
// data/.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/annotations.h"
#include "data/folder.h"
#include "data/pair_index.h"
#include "data/presets.h"

namespace ktrain {

struct ListedPair {
  std::string id, group;
  std::string visible, thermal;          // paths beneath the root
  std::vector<std::string> annotations;  // of both images, or of the visible and the thermal one
  // What the files said, where a list and its annotations are one file; parallel to `annotations`.
  std::vector<AnnotationFile> contents = {};
  std::string line;   // as a list writes it; two lines for some, "" where there are no lists
  std::string place;  // where it was named: "root/imageSets/train.txt:12"
};

struct PairList {
  std::vector<ListedPair> pairs;
  std::vector<DataProblem> problems;  // of the list itself
};

// Throws Fault KT-DATA-001 (no such list), -006 (leads out), -009 (a line is no name of a pair),
// -010 (JSON), -030 (no such layout).
[[nodiscard]] PairList list_pairs(const DataFolder& folder, const PairSource& source);

// "NAME", "NAME:PREFIX" (those ids that begin with it) or "NAME:!PREFIX" (the others).
struct ListName {
  std::string name, prefix;
  bool exclude = false;
  [[nodiscard]] bool keeps(std::string_view id) const {
    return prefix.empty() || id.starts_with(prefix) != exclude;
  }
};
// Throws Fault KT-DATA-006 when the name leads out of the root.
[[nodiscard]] ListName parse_list_name(std::string_view text);

// Calls use(line, place) for every line that is not blank of the first list file that is there:
// NAME or NAME.txt in one of the folders. Throws Fault KT-DATA-001 that names what lies there.
void for_each_listed(const DataFolder& folder, std::string_view name,
                     std::initializer_list<std::string_view> folders,
                     const std::function<void(std::string_view, const std::string&)>& use);

// The first of the paths that is there; the first one when none is.
[[nodiscard]] std::string first_file(const DataFolder& folder,
                                     const std::vector<std::string>& paths);
// The same for stem + each extension.
[[nodiscard]] std::string first_image(const DataFolder& folder, const std::string& stem);

// The layouts, one function each.
[[nodiscard]] PairList list_kaist(const DataFolder& folder, const DataPreset& preset,
                                  const ListName& list);
[[nodiscard]] PairList list_llvip(const DataFolder& folder, const ListName& list);
[[nodiscard]] PairList list_voc(const DataFolder& folder, const ListName& list);
[[nodiscard]] PairList list_flir(const DataFolder& folder, const ListName& list);
[[nodiscard]] PairList list_m3fd(const DataFolder& folder, const ListName& list);
[[nodiscard]] PairList list_coco(const DataFolder& folder, const ListName& list);

}  // namespace ktrain
