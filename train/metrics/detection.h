// What every metric reads: targets and detections per image, in pixels of the original image.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace ktrain::metrics {

// Left, top, width, height, as KAIST and COCO files write them; the right edge is x + w.
struct Box {
  double x = 0;
  double y = 0;
  double w = 0;
  double h = 0;

  [[nodiscard]] double area() const { return w * h; }
};

[[nodiscard]] inline Box from_corners(double x1, double y1, double x2, double y2) {
  return {x1, y1, x2 - x1, y2 - y1};
}

[[nodiscard]] inline double intersection(const Box& a, const Box& b) {
  const double w = std::min(a.x + a.w, b.x + b.w) - std::max(a.x, b.x);
  const double h = std::min(a.y + a.h, b.y + b.h) - std::max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

// Intersection over union; over the detection's own area when the target is a region to ignore, so
// that a small detection inside a large crowd lies in it entirely.
[[nodiscard]] inline double overlap(const Box& detection, const Box& target, bool ignored) {
  const double common = intersection(detection, target);
  if (common <= 0) return 0;
  return common / (ignored ? detection.area() : detection.area() + target.area() - common);
}

// One annotated object.
struct Target {
  Box box;
  int label = 0;        // index of the class
  bool ignore = false;  // neither a miss when not found nor a false alarm when found
  int occlusion = 0;    // KAIST: 0 none, 1 partial, 2 heavy
  double area = -1;     // COCO: of the object's mask; negative: the box's area
};

struct Detection {
  Box box;
  double score = 0;
  int label = 0;
};

using Detections = std::vector<Detection>;

// The annotation of one image; a metric takes one of these and one `Detections` per image.
struct ImageTruth {
  std::string name = {};  // KAIST: "set06/V000/I00019"
  std::vector<Target> targets = {};
};

// Indices of `detections` by falling score; equal scores keep their order.
[[nodiscard]] std::vector<std::size_t> by_score(const Detections& detections);

}  // namespace ktrain::metrics
