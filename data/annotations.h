// What annotation files say, before any policy: labels and boxes as written. Parsers work on text
// in memory, never recurse on it, take time linear in its length, and throw Fault with file and
// line at the first thing that is not as the format wants it. Numbers may be NaN or out of range
// here: whether a box is any good is judged later (data/labels.h), so that one report can list all.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ktrain {

struct AnnotatedObject {
  std::string label;
  std::array<double, 4>
      box{};            // x1, y1, x2, y2 as in the file; x2 = x1 + width where it has widths
  int occlusion = 0;    // KAIST: 0 none, 1 partial, 2 heavy
  bool ignore = false;  // flagged in the file: "ignore", "difficult", "iscrowd"
  int line = 0;         // 1-based; 0: unknown
};

struct AnnotationFile {
  int width = 0, height = 0;  // of the image, as annotated; 0: not said
  std::vector<AnnotatedObject> objects;
};

// A text and the name that messages give it.
struct TextSource {
  std::string_view name;
  std::string_view text;
};

struct AnnotationLimits {
  std::size_t max_bytes = 16 << 20;
  int max_depth = 32;
  int max_nodes = 200'000;
  std::size_t max_objects = 10'000;  // per image
};

// Pascal VOC XML: LLVIP, M3FD, FLIR, and both dialects of KAIST (corners, or x, y, w, h). A DOCTYPE
// is refused. Comments and stray text between elements are skipped.
[[nodiscard]] AnnotationFile parse_voc_xml(TextSource source, const AnnotationLimits& limits = {});

// KAIST's bbGt text, versions 0 to 3: "label left top width height occlusion ...", after a header
// line "% bbGt version=N". An empty frame is the header alone.
[[nodiscard]] AnnotationFile parse_bbgt(TextSource source, const AnnotationLimits& limits = {});

// The sanitized KAIST training annotations: "label x1 y1 x2 y2" without a header.
[[nodiscard]] AnnotationFile parse_sanitized(TextSource source,
                                             const AnnotationLimits& limits = {});

// The parser that fits: XML when the text begins with '<', bbGt when with '%', else sanitized. An
// empty text is an error, since nothing tells an empty frame from a lost file.
[[nodiscard]] AnnotationFile parse_annotation(TextSource source,
                                              const AnnotationLimits& limits = {});

}  // namespace ktrain
