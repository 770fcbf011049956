// The pairs of a data set: the unit of everything that trains or is evaluated.
//
// Layouts: llvip  visible/<split>/NAME.jpg, infrared/<split>/NAME.jpg, Annotations/NAME.xml
//          kaist  images/setSS/VVVV/{visible,lwir}/INNNNN.jpg, annotations/setSS/VVVV/INNNNN.txt
//                 (or .xml), imageSets/<list>.txt with lines setSS/VVVV/INNNNN
// An index is built once; afterwards pairs are found by position or id in constant time. Everything
// that is wrong is collected, so that one reading tells all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/annotations.h"
#include "data/folder.h"

namespace ktrain {

// What a class name means. A name in neither list is an error.
struct LabelPolicy {
  std::vector<std::string> positive = {"person"};
  std::vector<std::string> ignore = {"people", "person?", "cyclist", "ignore"};
};

struct PairSource {
  std::string layout = "kaist";  // kaist, llvip
  std::string list;              // kaist: a name in imageSets without .txt; llvip: the split folder
  LabelPolicy labels = {};
  // Subtracted from coordinates that count the first pixel as 1 (VOC files).
  double origin = 0;
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

// One thing that is wrong: the message's id and text, with the file's name.
struct DataProblem {
  std::string id;
  std::string text;
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
  PairIndex index;                             // the pairs without problems
  std::vector<DataProblem> problems;           // in the order of the list
  std::map<std::string, std::int64_t> labels;  // every class name and how often it stands there
  std::int64_t listed = 0;                     // pairs that were named
  std::int64_t positive = 0, ignored = 0, clipped = 0,
               empty = 0;  // boxes; pairs without a positive
};

// Reads headers and annotations of every listed pair; with `whole_images` also walks each image to
// its end. Throws Fault only when the root or the list itself cannot be read.
[[nodiscard]] PairReport read_pairs(const DataFolder& folder, const PairSource& source,
                                    bool whole_images = false);

// For training: the index, or the first problem as a Fault that tells how many more there are.
[[nodiscard]] PairIndex require_pairs(PairReport report, const DataFolder& folder);

}  // namespace ktrain
