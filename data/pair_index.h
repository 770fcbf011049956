// The pairs of a data set: the unit of everything that trains or is evaluated.
//
// The layouts stand in data/presets.h. An index is built once; afterwards pairs are found by
// position or id in constant time. Everything that is wrong is collected, so that one reading tells
// all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/annotations.h"
#include "data/folder.h"
#include "data/labels.h"

namespace ktrain {

struct PairSource {
  std::string layout = "kaist";  // a name of data_presets()
  // A list of that layout (docs/data.md), optionally "NAME:PREFIX" or "NAME:!PREFIX": only ids that
  // begin so, or only the others.
  std::string list;
  LabelPolicy labels = {};
  // Subtracted from all coordinates: 1 where the first pixel counts as 1. Unset: the layout's own.
  std::optional<double> origin = {};
  std::string boxes = "auto";  // auto, visible, thermal, mean, union; see data/presets.h
  bool skip_empty = false;  // leave pairs without a positive box out of the index, and count them
};

struct PairBox {
  std::array<double, 4> box{};  // x1, y1, x2, y2 in pixels of the image, clipped to it
  bool ignore = false;          // neither pedestrian nor background
  int occlusion = 0;
};

struct Pair {
  std::string id;                            // set00/V000/I00019, 010001
  std::string visible, thermal, annotation;  // paths beneath the root
  std::string group;                         // frames of one video or scene: set00/V000, 01
  int width = 0, height = 0;
  std::vector<PairBox> boxes;
};

// One thing that is wrong: the message's id and text, with the file's name and place.
struct DataProblem {
  std::string id;
  std::string text;
  std::string pair = {};  // the id of the pair, "" when it is not of one pair
};

// What a list names, in its order.
struct ListedName {
  std::string id;
  std::string line;  // as a list file writes it; "" where the layout has none
};

class PairIndex {
 public:
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(pairs_.size()); }
  [[nodiscard]] const Pair& operator[](std::int64_t i) const {
    return pairs_[static_cast<std::size_t>(i)];
  }
  // Position of a pair, -1 when there is none of that id.
  [[nodiscard]] std::int64_t find(const std::string& id) const;
  // False, and nothing added, when the id is there already.
  bool add(Pair pair);
  // SHA-256 over ids, sizes and boxes: tells two versions of a data set apart.
  [[nodiscard]] std::string manifest_hash() const;

 private:
  std::vector<Pair> pairs_;
  std::unordered_map<std::string, std::int64_t> positions_;
};

struct PairReport {
  std::string layout, list;                    // as asked for
  PairIndex index;                             // the pairs without problems
  std::vector<DataProblem> problems;           // in the order of the list, unknown classes last
  std::vector<ListedName> names;               // every pair that was named
  std::map<std::string, std::int64_t> labels;  // every class name and how often it stands there
  std::int64_t listed = 0;                     // pairs that were named
  std::int64_t positive = 0, ignored = 0, background = 0, clipped = 0;  // boxes
  std::int64_t empty = 0;    // pairs without a positive box
  std::int64_t skipped = 0;  // those of them that skip_empty left out

  // SHA-256 over the ids in their order: tells two lists of one name apart.
  [[nodiscard]] std::string list_hash() const;
};

// Reads headers, end marks and annotations of every listed pair; with `whole_images` also walks
// each image to its end. Throws Fault only when the root or the list itself cannot be read, or the
// source asks for what its layout has not.
[[nodiscard]] PairReport read_pairs(const DataFolder& folder, const PairSource& source,
                                    bool whole_images = false);

// For training: the index, or the first problem as a Fault that tells how many more there are.
[[nodiscard]] PairIndex require_pairs(PairReport report, const DataFolder& folder);

// Throws Fault KT-DATA-032, with the first and the number of them, when a pair is in both lists.
void require_disjoint(const PairReport& train, const PairReport& other);

}  // namespace ktrain
