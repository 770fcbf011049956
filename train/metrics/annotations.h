// Ground truth of an evaluation, read from a COCO-like JSON file.
//
// Accepted: stock COCO; MLPD's KAIST file (`im_name` for `file_name`, fields `occlusion`,
// `ignore`); image ids that are numbers or strings, from 0 or 1. `iscrowd` and `ignore` both mean
// ignore.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/metrics/detection.h"

namespace ktrain::metrics {

struct Annotations {
  std::string name;                       // the file's stem
  std::string sha256;                     // of the file's bytes
  std::vector<ImageTruth> images;         // in the file's order
  std::vector<std::string> image_ids;     // as JSON text: 17 or "010001"
  std::vector<std::string> classes;       // names, in the file's order: a label indexes them
  std::vector<std::string> category_ids;  // as JSON text

  // Index of a class; -1 when there is none of that name.
  [[nodiscard]] int find_class(std::string_view class_name) const;
  [[nodiscard]] std::int64_t count_targets() const;  // those not ignored
};

// Throws Fault KT-EVAL-001 (malformed), KT-EVAL-005 (no such file).
[[nodiscard]] Annotations read_annotations(const std::filesystem::path& path);
// The same from memory; `path` is what messages name.
[[nodiscard]] Annotations parse_annotations(std::string_view text, const std::string& path);

// The same images with class `label` as class 0. Other classes' targets become regions to ignore of
// class 1 (`keep_others`, the KAIST rule) or are left out.
[[nodiscard]] std::vector<ImageTruth> single_class(const Annotations& annotations, int label,
                                                   bool keep_others);

// What a score was measured on: "[kaist-test20/improved 2252 img 1455 gt #07f525a4]". The last part
// is the beginning of the annotation's SHA-256.
[[nodiscard]] std::string fingerprint(std::string_view list_name, std::string_view annotation_name,
                                      std::size_t images, std::int64_t targets,
                                      std::string_view sha256);
// The same for `annotations`: KAIST's official test list and improved annotation are recognised by
// their hashes, anything else goes by its own name.
[[nodiscard]] std::string fingerprint(const Annotations& annotations, std::int64_t targets);

}  // namespace ktrain::metrics
