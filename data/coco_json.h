// COCO JSON in its variants: ids that are numbers or strings, from 0 or 1; one or two paths per
// image; MLPD's KAIST file (`im_name` without extension). Read in one pass without a tree: neither
// depth nor size of the file costs more than what is kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/annotations.h"

namespace ktrain {

struct CocoLimits {
  std::size_t max_bytes = std::size_t{1} << 30;
  int max_depth = 64;
};

struct CocoImage {
  std::string id;       // a number in decimal, or the string
  std::string visible;  // file_name, im_name, visible_file_name, rgb_file_name, ...
  std::string thermal;  // thermal_file_name, lwir_file_name, ...; mostly ""
  int line = 0;
  AnnotationFile annotation;  // boxes as corners; iscrowd and ignore are one flag
};

struct CocoFile {
  std::vector<CocoImage> images;         // in the file's order
  std::vector<std::string> class_names;  // in the file's order
};

// Throws Fault KT-DATA-010 with line and column: not JSON, nested deeper than the limit, a value of
// a wrong type, a key twice, an id twice, an annotation without its image or category.
[[nodiscard]] CocoFile parse_coco(TextSource source, const CocoLimits& limits = {});

}  // namespace ktrain
