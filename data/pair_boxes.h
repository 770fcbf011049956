// From what annotations say to the boxes of a pair. Internal to data/.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/annotations.h"
#include "data/labels.h"
#include "data/pair_index.h"
#include "data/presets.h"

namespace ktrain {

// The objects of a pair whose modalities are annotated apart: row i of one file is row i of the
// other, and `choice` says whose box it gets. An object to ignore in one is so in both, and the
// worse occlusion counts. Throws Fault KT-DATA-031 when the files have not the same rows.
struct NamedAnnotation {
  std::string name;  // the file's, for messages
  AnnotationFile file;
};
[[nodiscard]] AnnotationFile merge_modalities(const NamedAnnotation& visible,
                                              const NamedAnnotation& thermal, BoxChoice choice);

// How often an unknown class name stands, and where first.
struct UnknownLabel {
  std::int64_t boxes = 0, pairs = 0;
  std::string first;         // "root/annotations/....txt:3"
  std::string last_counted;  // the pair that `pairs` counted last
};

// Judges boxes and collects them; counts what it sees over all pairs.
class BoxCollector {
 public:
  BoxCollector(LabelPolicy policy, double origin) : policy_(std::move(policy)), origin_(origin) {}

  // Boxes of one pair, whose id and size are set: clipped to the image, `origin` subtracted. What
  // is wrong becomes a problem; an unknown name only a count. False when the pair is not to be
  // used.
  bool collect(const AnnotationFile& file, const std::string& shown, Pair& pair,
               PairReport& report);

  // KT-DATA-013 for every unknown name, with its counts.
  void report_unknown(PairReport& report) const;

 private:
  bool add(const AnnotatedObject& object, const std::string& place, Pair& pair,
           PairReport& report) const;

  LabelPolicy policy_;
  double origin_;
  std::map<std::string, UnknownLabel> unknown_;
};

}  // namespace ktrain
