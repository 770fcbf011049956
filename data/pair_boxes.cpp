#include "data/pair_boxes.h"

#include <algorithm>
#include <cmath>

#include "runtime/fault.h"

namespace ktrain {
namespace {

using Corners = std::array<double, 4>;

Corners chosen(const Corners& visible, const Corners& thermal, BoxChoice choice) {
  switch (choice) {
    case BoxChoice::kVisible:
      return visible;
    case BoxChoice::kThermal:
      return thermal;
    case BoxChoice::kMean: {
      Corners mean;
      for (std::size_t i = 0; i < 4; ++i) mean[i] = (visible[i] + thermal[i]) / 2;
      return mean;
    }
    case BoxChoice::kUnion:
      break;
  }
  return {std::min(visible[0], thermal[0]), std::min(visible[1], thermal[1]),
          std::max(visible[2], thermal[2]), std::max(visible[3], thermal[3])};
}

std::string place_of(const std::string& shown, const AnnotatedObject& object) {
  return object.line > 0 ? fmt::format("{}:{}", shown, object.line) : shown;
}

}  // namespace

AnnotationFile merge_modalities(const NamedAnnotation& visible, const NamedAnnotation& thermal,
                                BoxChoice choice) {
  const std::vector<AnnotatedObject>& a = visible.file.objects;
  const std::vector<AnnotatedObject>& b = thermal.file.objects;
  if (a.size() != b.size())
    throw_fault("KT-DATA-031", "{}: {} objects, but {} has {}; row i of both is one person",
                visible.name, a.size(), thermal.name, b.size());
  AnnotationFile merged = choice == BoxChoice::kThermal ? thermal.file : visible.file;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].label != b[i].label)
      throw_fault("KT-DATA-031", "{}: '{}', but '{}' at {}; row i of both is one person",
                  place_of(visible.name, a[i]), printable(a[i].label), printable(b[i].label),
                  place_of(thermal.name, b[i]));
    merged.objects[i].box = chosen(a[i].box, b[i].box, choice);
    merged.objects[i].ignore = a[i].ignore || b[i].ignore;
    merged.objects[i].occlusion = std::max(a[i].occlusion, b[i].occlusion);
  }
  return merged;
}

bool BoxCollector::collect(const AnnotationFile& file, const std::string& shown, Pair& pair,
                           PairReport& report) {
  bool usable = true;
  for (const AnnotatedObject& object : file.objects) {
    ++report.labels[object.label];
    const std::string place = place_of(shown, object);
    if (role_of(policy_, object.label) != LabelRole::kUnknown) {
      usable = add(object, place, pair, report) && usable;
      continue;
    }
    usable = false;
    UnknownLabel& unknown = unknown_[object.label];
    if (unknown.boxes++ == 0) unknown.first = place;
    unknown.pairs += unknown.last_counted != pair.id;
    unknown.last_counted = pair.id;
  }
  return usable;
}

bool BoxCollector::add(const AnnotatedObject& object, const std::string& place, Pair& pair,
                       PairReport& report) const {
  const LabelRole role = role_of(policy_, object.label);
  const Corners limits = {static_cast<double>(pair.width), static_cast<double>(pair.height),
                          static_cast<double>(pair.width), static_cast<double>(pair.height)};
  PairBox box;
  box.ignore = role == LabelRole::kIgnore || object.ignore;
  box.occlusion = object.occlusion;
  bool finite = true, moved = false;
  for (std::size_t i = 0; i < 4; ++i) {
    const double value = object.box[i] - origin_;
    finite = finite && std::isfinite(value);
    box.box[i] = finite ? std::clamp(value, 0.0, limits[i]) : 0.0;
    moved = moved || box.box[i] != value;
  }
  if (!finite || box.box[2] <= box.box[0] || box.box[3] <= box.box[1]) {
    report.problems.push_back(
        {"KT-DATA-014",
         fmt::format("{}: '{}' has the corners {} {} {} {} in an image of {}x{}", place,
                     printable(object.label), object.box[0], object.box[1], object.box[2],
                     object.box[3], pair.width, pair.height),
         pair.id});
    return false;
  }
  if (role == LabelRole::kBackground) {
    ++report.background;
    return true;
  }
  report.clipped += moved;
  ++(box.ignore ? report.ignored : report.positive);
  pair.boxes.push_back(box);
  return true;
}

void BoxCollector::report_unknown(PairReport& report) const {
  for (const auto& [label, unknown] : unknown_)
    report.problems.push_back(
        {"KT-DATA-013", fmt::format("{}: unknown class '{}', {} box{} in {} pair{}", unknown.first,
                                    printable(label), unknown.boxes, unknown.boxes == 1 ? "" : "es",
                                    unknown.pairs, unknown.pairs == 1 ? "" : "s")});
}

}  // namespace ktrain
