// The few fixed pairs on which representations are compared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data_set.h"

namespace ktrain {

struct Anchors {
  PairIndex index;                 // in the order of the list
  std::vector<double> brightness;  // of the visible images, in [0, 1]

  // The ids, one a line, and the hash of what is annotated on them.
  [[nodiscard]] std::string ids() const;
};

// `count` pairs of the list (all, when it has no more), spread evenly over the visible images'
// brightness, so that dark and light scenes count alike whatever the list is mostly made of:
//   1. candidates: the pairs with a pedestrian, at most 4 * count of them, evenly spaced in the
//   list; when
//      fewer than count have one, the first pairs without are added
//   2. sorted by the mean luma of the visible image as decoded, ties by place in the list
//   3. cut into `count` runs of equal size; the middle one of each is taken.
// A function of the list and its images alone. Decodes the candidates' visible images. Throws Fault
// KT-DATA-* when one cannot be read.
[[nodiscard]] Anchors choose_anchors(const PairIndex& list, const DataFolder& folder,
                                     std::int64_t count);

// The pairs that `ids` names. Throws Error when one is not in the list.
[[nodiscard]] PairIndex anchors_of(const PairIndex& list, const std::string& ids);

}  // namespace ktrain
