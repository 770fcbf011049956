#include "train/metrics/detection.h"

#include <numeric>

namespace ktrain::metrics {

std::vector<std::size_t> by_score(const Detections& detections) {
  std::vector<std::size_t> order(detections.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return detections[a].score > detections[b].score;
  });
  return order;
}

}  // namespace ktrain::metrics
