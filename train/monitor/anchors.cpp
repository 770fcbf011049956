#include "train/monitor/anchors.h"

#include <algorithm>
#include <sstream>

#include "data/image_io.h"
#include "kernels/check.h"

namespace ktrain {
namespace {

double mean_luma(const Image& image) {
  std::int64_t sum[3] = {};
  for (std::size_t i = 0; i < image.rgb.size(); i += 3)
    for (std::size_t c = 0; c < 3; ++c) sum[c] += image.rgb[i + c];
  const double weighted = 0.299 * static_cast<double>(sum[0]) +
                          0.587 * static_cast<double>(sum[1]) + 0.114 * static_cast<double>(sum[2]);
  return weighted / (255.0 * static_cast<double>(image.rgb.size() / 3));
}

// Evenly spaced, at most `count`.
std::vector<std::int64_t> spread(const std::vector<std::int64_t>& from, std::int64_t count) {
  const auto size = static_cast<std::int64_t>(from.size());
  if (size <= count) return from;
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < count; ++i)
    out.push_back(from[static_cast<std::size_t>((2 * i + 1) * size / (2 * count))]);
  return out;
}

std::vector<std::int64_t> candidates(const PairIndex& list, std::int64_t count) {
  constexpr std::int64_t kPerAnchor = 4;
  std::vector<std::int64_t> with, without;
  for (std::int64_t i = 0; i < list.size(); ++i) {
    const std::vector<PairBox>& boxes = list[i].boxes;
    const bool any =
        std::any_of(boxes.begin(), boxes.end(), [](const PairBox& box) { return !box.ignore; });
    (any ? with : without).push_back(i);
  }
  std::vector<std::int64_t> out = spread(with, kPerAnchor * count);
  for (const std::int64_t i : without)
    if (static_cast<std::int64_t>(out.size()) < count) out.push_back(i);
  return out;
}

}  // namespace

std::string Anchors::ids() const {
  std::string text;
  for (std::int64_t i = 0; i < index.size(); ++i) text += index[i].id + "\n";
  return text;
}

Anchors choose_anchors(const PairIndex& list, const DataFolder& folder, std::int64_t count) {
  KT_CHECK(count >= 1 && list.size() >= 1, "choose_anchors: {} of {} pairs", count, list.size());
  struct Candidate {
    double brightness;
    std::int64_t place;
  };
  std::vector<Candidate> found;
  std::vector<std::uint8_t> bytes;
  for (const std::int64_t place : candidates(list, count)) {
    folder.read(list[place].visible, ImageLimits{}.max_file_bytes, bytes);
    const std::string name = folder.shown(list[place].visible);
    found.push_back({mean_luma(decode_image({name, bytes})), place});
  }
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.brightness != b.brightness ? a.brightness < b.brightness : a.place < b.place;
  });
  const auto size = static_cast<std::int64_t>(found.size());
  const std::int64_t taken = std::min(count, size);
  std::vector<Candidate> chosen;
  for (std::int64_t i = 0; i < taken; ++i)
    chosen.push_back(found[static_cast<std::size_t>((2 * i + 1) * size / (2 * taken))]);
  std::sort(chosen.begin(), chosen.end(),
            [](const Candidate& a, const Candidate& b) { return a.place < b.place; });
  Anchors anchors;
  for (const Candidate& candidate : chosen) {
    (void)anchors.index.add(list[candidate.place]);
    anchors.brightness.push_back(candidate.brightness);
  }
  return anchors;
}

PairIndex anchors_of(const PairIndex& list, const std::string& ids) {
  PairIndex index;
  std::istringstream lines(ids);
  for (std::string id; std::getline(lines, id);) {
    const std::int64_t place = list.find(id);
    KT_CHECK(place >= 0, "anchors: the list has no pair '{}'", id);
    (void)index.add(list[place]);
  }
  return index;
}

}  // namespace ktrain
