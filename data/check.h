// Everything that is wrong with a list of pairs, and what is in it: `ktrain check` without its
// words. A problem keeps a run from starting; a warning is what a person should look at.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "data/check_pixels.h"
#include "data/pair_index.h"

namespace ktrain {

struct Bin {
  std::string name;
  std::int64_t count = 0;
};

struct ListCheck {
  std::string layout, list;
  PairReport report;  // with the problems of the pixels, after those of the files
  std::vector<DataProblem> warnings;
  std::vector<PairPixels> pixels;                 // parallel to report.index
  PixelSums visible, thermal;                     // over all images
  std::vector<Bin> heights, per_pair, occlusion;  // of positive boxes; of pairs by positive boxes
  std::vector<Bin> sizes, light, groups;          // of pairs
  std::vector<std::string> empty;                 // ids of pairs without a positive box
  std::unordered_set<std::string> bad;            // ids of pairs with a problem

  // The list file's lines of all pairs without a problem, each once, in the list's order.
  [[nodiscard]] std::vector<std::string> clean_lines() const;
};

// Mean brightness of the visible image, in [0, 1], below which a pair counts as dark.
inline constexpr double kDark = 0.25;
// Mean chroma from which an image is coloured, and below which it is grey.
inline constexpr double kColoured = 0.05, kGrey = 0.01;

// Reads and decodes every file that the list names. Throws Fault as read_pairs does.
[[nodiscard]] ListCheck check_list(const DataFolder& folder, const PairSource& source, int threads);

struct ListOverlap {
  std::vector<DataProblem> problems;  // KT-DATA-032: the same pair or image in both
  std::vector<DataProblem> warnings;  // KT-DATA-033: frames of one recording in both
};
[[nodiscard]] ListOverlap compare_lists(const ListCheck& a, const ListCheck& b);

}  // namespace ktrain
