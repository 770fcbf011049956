#include "train/validation.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/metrics/annotations.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(double fraction) {
  return std::isnan(fraction) ? "n/a" : fmt::format("{:.2f}", fraction * 100);
}

Json number(double value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

}  // namespace

metrics::KaistOptions kaist_options(const PairIndex& index) {
  return {.image_width = static_cast<double>(index[0].width),
          .image_height = static_cast<double>(index[0].height)};
}

std::string score_fingerprint(const RunList& list) {
  std::int64_t targets = 0;
  for (std::int64_t i = 0; i < list.index.size(); ++i)
    for (const PairBox& box : list.index[i].boxes) targets += box.ignore ? 0 : 1;
  return metrics::fingerprint(list.name, "pairs", static_cast<std::size_t>(list.index.size()),
                              targets, list.index.manifest_hash());
}

std::vector<metrics::ImageTruth> truth_of(const PairIndex& index) {
  std::vector<metrics::ImageTruth> truth;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    metrics::ImageTruth image{.name = index[i].id};
    for (const PairBox& box : index[i].boxes)
      image.targets.push_back(
          {.box = metrics::from_corners(box.box[0], box.box[1], box.box[2], box.box[3]),
           .ignore = box.ignore,
           .occlusion = box.occlusion});
    truth.push_back(std::move(image));
  }
  return truth;
}

std::vector<metrics::Detections> detections_of(const DetectionTensors& found, std::int64_t count) {
  const auto capacity = static_cast<std::size_t>(found.scores.size(1));
  const std::vector<float> boxes = found.boxes.boxes.to_vector<float>();
  const std::vector<float> scores = found.scores.to_vector<float>();
  const std::vector<std::int32_t> labels = found.labels.to_vector<std::int32_t>();
  const std::vector<std::int32_t> counts = found.boxes.counts.to_vector<std::int32_t>();
  std::vector<metrics::Detections> out(static_cast<std::size_t>(count));
  for (std::size_t slot = 0; slot < out.size(); ++slot)
    for (std::size_t i = slot * capacity;
         i < slot * capacity + static_cast<std::size_t>(counts[slot]); ++i)
      out[slot].push_back({metrics::from_corners(boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2],
                                                 boxes[4 * i + 3]),
                           scores[i], labels[i]});
  return out;
}

std::optional<std::vector<metrics::Detections>> detect_all(const TwoStreamDetector& detector,
                                                           Loader& loader, BatchTensors& tensors,
                                                           std::int64_t pairs,
                                                           const std::function<bool()>& stopped) {
  std::vector<metrics::Detections> found(static_cast<std::size_t>(pairs));
  loader.seek(0);
  for (std::int64_t step = 0; step < loader.steps_per_epoch(); ++step) {
    if (stopped()) return std::nullopt;
    const PairBatch& batch = loader.next();
    tensors.fill(batch);
    auto detections = detections_of(detector.predict(tensors.input()), batch.count);
    for (std::size_t slot = 0; slot < detections.size(); ++slot)
      found[static_cast<std::size_t>(batch.indices[slot])] = std::move(detections[slot]);
  }
  return found;
}

std::optional<double> Validation::metric(std::string_view name) const {
  double value = 0;
  if (name == "map")
    value = voc.map_area;
  else if (name == "map_11point")
    value = voc.map_eleven;
  else if (name == "recall")
    value = voc.classes[0].recall;
  else if (name == "miss_rate")
    value = kaist[0].miss_rate;
  else
    throw Error(fmt::format("validation: no metric '{}'", name));
  return std::isnan(value) ? std::nullopt : std::optional(value);
}

Validation score(const RunList& list, std::span<const metrics::Detections> found) {
  const std::vector<metrics::ImageTruth> truth = truth_of(list.index);
  const std::string classes[] = {"person"};
  Validation v;
  v.pairs = list.index.size();
  v.voc = metrics::voc_score(truth, found, classes);
  for (const metrics::KaistSetup& setup : metrics::kaist_setups())
    v.kaist.push_back(metrics::kaist_score(truth, found, setup, kaist_options(list.index)));
  v.coco = metrics::coco_score(truth, found, 1);
  v.fingerprint = score_fingerprint(list);
  return v;
}

std::string voc_text(const Validation& v) {
  const metrics::VocClass& person = v.voc.classes[0];
  return fmt::format(
      "VOC, IoU 0.5  {}\n"
      "+--------+------+-------+--------+-------------+---------+\n"
      "| class  |  gts |  dets | recall | ap 11-point | ap area |\n"
      "+--------+------+-------+--------+-------------+---------+\n"
      "| person | {:>4} | {:>5} | {:>6.3f} | {:>11.3f} | {:>7.3f} |\n"
      "+--------+------+-------+--------+-------------+---------+\n"
      "| mAP    |      |       |        | {:>11.3f} | {:>7.3f} |\n"
      "+--------+------+-------+--------+-------------+---------+\n",
      v.fingerprint, person.gts, person.dets, person.recall, person.ap_eleven, person.ap_area,
      v.voc.map_eleven, v.voc.map_area);
}

std::string kaist_text(const Validation& v) {
  std::string text = fmt::format("KAIST log-average miss rate (MATLAB rule)  {}\n", v.fingerprint);
  text += fmt::format("{:<20} {:>7} {:>8} {:>8} {:>9} {:>9}\n", "setup", "images", "targets",
                      "ignored", "MR^-2 %", "recall %");
  for (const metrics::KaistScore& s : v.kaist)
    if (s.images > 0)
      text += fmt::format("{:<20} {:>7} {:>8} {:>8} {:>9} {:>9}\n", s.setup, s.images, s.targets,
                          s.ignored, percent(s.miss_rate), percent(s.recall));
  return text + fmt::format("All/Day/Night  {}/{}/{}\n", percent(v.kaist[0].miss_rate),
                            percent(v.kaist[1].miss_rate), percent(v.kaist[2].miss_rate));
}

std::string coco_text(const Validation& v) {
  std::string text = fmt::format("COCO  {}\n", v.fingerprint);
  for (std::size_t i = 0; i < v.coco.values.size(); ++i)
    text += fmt::format("{:<9} {}\n", metrics::kCocoNames[i],
                        v.coco.values[i] < 0 ? "n/a" : fmt::format("{:.4f}", v.coco.values[i]));
  return text;
}

std::string validation_json(const Validation& v) {
  const metrics::VocClass& person = v.voc.classes[0];
  Json json = {{"fingerprint", v.fingerprint},
               {"pairs", v.pairs},
               {"gts", person.gts},
               {"ignored", person.ignored},
               {"dets", person.dets},
               {"recall", number(person.recall)},
               {"map", number(v.voc.map_area)},
               {"map_11point", number(v.voc.map_eleven)},
               {"filled_bins", person.bins}};
  for (const metrics::KaistScore& s : v.kaist)
    json["kaist"].push_back({{"setup", s.setup},
                             {"images", s.images},
                             {"targets", s.targets},
                             {"ignored", s.ignored},
                             {"miss_rate", number(s.miss_rate)},
                             {"recall", number(s.recall)}});
  for (std::size_t i = 0; i < v.coco.values.size(); ++i)
    json["coco"][metrics::kCocoNames[i]] =
        v.coco.values[i] < 0 ? Json(nullptr) : Json(v.coco.values[i]);
  return json.dump();
}

}  // namespace ktrain
