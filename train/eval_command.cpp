#include "train/eval_command.h"

#include <cmath>
#include <ostream>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/metrics/annotations.h"
#include "train/metrics/coco.h"
#include "train/metrics/kaist.h"
#include "train/metrics/results.h"
#include "train/metrics/voc.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;
using metrics::Annotations;
using metrics::Results;

// The images and detections that a protocol is computed on.
struct Input {
  std::vector<std::string> classes = {};
  std::vector<metrics::ImageTruth> truth = {};
  std::vector<metrics::Detections> detections = {};
};

// Only class `label`, as class 0.
Input single_class(const Annotations& annotations, const Results& results, int label,
                   bool keep_others) {
  Input input{.classes = {annotations.classes[static_cast<std::size_t>(label)]},
              .truth = metrics::single_class(annotations, label, keep_others)};
  for (const metrics::Detections& image : results.images) {
    metrics::Detections kept;
    for (metrics::Detection found : image) {
      if (found.label != label) continue;
      found.label = 0;
      kept.push_back(found);
    }
    input.detections.push_back(std::move(kept));
  }
  return input;
}

// Text results speak of persons alone: then so does the score.
Input all_classes(const Annotations& annotations, const Results& results) {
  if (results.format != metrics::ResultsFormat::kCoco)
    return single_class(annotations, results, annotations.find_class("person"), false);
  return {annotations.classes, annotations.images, results.images};
}

Json number(double value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

std::string percent(double fraction) {
  return std::isnan(fraction) ? "n/a" : fmt::format("{:.2f}", fraction * 100);
}

Json heading(const EvalOptions& options, const std::string& print, const Results& results) {
  return {{"protocol", options.protocol},
          {"fingerprint", print},
          {"results", options.results.string()},
          {"boxes", results.boxes},
          {"images_with_boxes", results.images_with_boxes},
          {"lowest_score", results.lowest_score}};
}

std::string heading_text(const EvalOptions& options, const std::string& print,
                         const Results& results) {
  return fmt::format(
      "protocol  {}  {}\n"
      "results   {}  ({}; {} boxes in {} of {} images, scores {:.4f} to {:.4f})\n",
      options.protocol, print, options.results.string(), format_name(results.format), results.boxes,
      results.images_with_boxes, results.images.size(), results.lowest_score,
      results.highest_score);
}

void eval_kaist(const EvalOptions& options, const Annotations& annotations, const Results& results,
                std::ostream& out) {
  const int person = annotations.find_class("person");
  if (person < 0)
    throw_fault("KT-EVAL-004", "{}: the kaist protocol needs a category named 'person'",
                options.annotations.string());
  const Input input = single_class(annotations, results, person, true);
  const metrics::KaistOptions rule{.mlpd = options.compat == "mlpd"};
  std::vector<metrics::KaistScore> scores;
  for (const metrics::KaistSetup& setup : metrics::kaist_setups())
    scores.push_back(metrics::kaist_score(input.truth, input.detections, setup, rule));

  const std::string print = metrics::fingerprint(annotations, scores[0].targets);
  if (options.json) {
    Json json = heading(options, print, results);
    json["rule"] = rule.mlpd ? "mlpd" : "matlab";
    for (const metrics::KaistScore& score : scores)
      json["setups"].push_back({{"name", score.setup},
                                {"images", score.images},
                                {"targets", score.targets},
                                {"ignored", score.ignored},
                                {"miss_rate_percent", number(score.miss_rate * 100)},
                                {"recall_percent", number(score.recall * 100)}});
    out << json.dump(2) << "\n";
    return;
  }
  out << heading_text(options, print, results);
  out << (rule.mlpd ? "rule      MLPD's Python script (rounded FPPI points, images without a "
                      "detection dropped from the targets)\n\n"
                    : "rule      MATLAB (exact FPPI points, every image counted)\n\n");
  out << fmt::format("{:<20} {:>7} {:>8} {:>8} {:>9} {:>9}\n", "setup", "images", "targets",
                     "ignored", "MR^-2 %", "recall %");
  for (const metrics::KaistScore& score : scores)
    out << fmt::format("{:<20} {:>7} {:>8} {:>8} {:>9} {:>9}\n", score.setup, score.images,
                       score.targets, score.ignored, percent(score.miss_rate),
                       percent(score.recall));
  out << fmt::format("\nAll/Day/Night  {}/{}/{}\n", percent(scores[0].miss_rate),
                     percent(scores[1].miss_rate), percent(scores[2].miss_rate));
}

void eval_voc(const EvalOptions& options, const Annotations& annotations, const Results& results,
              std::ostream& out) {
  const Input input = all_classes(annotations, results);
  const metrics::VocScore legacy =
      metrics::voc_score(input.truth, input.detections, input.classes, {});
  const metrics::VocScore exact =
      metrics::voc_score(input.truth, input.detections, input.classes, {.legacy_plus_one = false});
  const std::string print = metrics::fingerprint(annotations, annotations.count_targets());
  if (options.json) {
    Json json = heading(options, print, results);
    json["iou"] = 0.5;
    for (const auto& [key, score] : {std::pair("plus_one", &legacy), std::pair("exact", &exact)}) {
      Json& part = json[key];
      for (const metrics::VocClass& entry : score->classes)
        part["classes"].push_back({{"name", entry.name},
                                   {"gts", entry.gts},
                                   {"dets", entry.dets},
                                   {"recall", number(entry.recall)},
                                   {"ap_11_points", number(entry.ap_eleven)},
                                   {"ap_area", number(entry.ap_area)},
                                   {"filled_bins", entry.bins}});
      part["map_11_points"] = number(score->map_eleven);
      part["map_area"] = number(score->map_area);
    }
    out << json.dump(2) << "\n";
    return;
  }
  using metrics::ApKind;
  out << heading_text(options, print, results)
      << "\nIoU 0.5, 11-point AP, widths x2 - x1 + 1 (mmdetection's VOCMetric)\n"
      << voc_table(legacy, ApKind::kElevenPoint) << "\nIoU 0.5, area AP, widths x2 - x1 + 1\n"
      << voc_table(legacy, ApKind::kArea) << "\nIoU 0.5, area AP, widths x2 - x1\n"
      << voc_table(exact, ApKind::kArea);
  for (const metrics::VocClass& entry : legacy.classes)
    if (entry.gts > 0)
      out << fmt::format("{}: the curve reaches {} of the 11 points\n", entry.name, entry.bins);
}

void eval_coco(const EvalOptions& options, const Annotations& annotations, const Results& results,
               std::ostream& out) {
  const Input input = all_classes(annotations, results);
  const metrics::CocoScore score =
      metrics::coco_score(input.truth, input.detections, static_cast<int>(input.classes.size()));
  const std::string print = metrics::fingerprint(annotations, annotations.count_targets());
  if (options.json) {
    Json json = heading(options, print, results);
    for (std::size_t k = 0; k < score.values.size(); ++k)
      json["coco"][metrics::kCocoNames[k]] =
          score.values[k] < 0 ? Json(nullptr) : Json(score.values[k]);
    out << json.dump(2) << "\n";
    return;
  }
  out << heading_text(options, print, results) << "\n";
  for (std::size_t k = 0; k < score.values.size(); ++k)
    out << fmt::format("{:<9} {}\n", metrics::kCocoNames[k],
                       score.values[k] < 0 ? "n/a" : fmt::format("{:.4f}", score.values[k]));
}

}  // namespace

int run_eval(const EvalOptions& options, std::ostream& out) {
  const bool kaist = options.protocol == "kaist", voc = options.protocol == "voc";
  if (!kaist && !voc && options.protocol != "coco")
    throw_fault("KT-EVAL-004", "protocol '{}' is unknown; known are kaist, voc, coco",
                printable(options.protocol));
  if (!options.compat.empty() && (options.compat != "mlpd" || !kaist))
    throw_fault("KT-EVAL-004", "--compat {} with protocol {}: only 'mlpd' with kaist exists",
                printable(options.compat), options.protocol);
  const Annotations annotations = metrics::read_annotations(options.annotations);
  const Results results = metrics::read_results(options.results, annotations);
  (kaist ? eval_kaist : voc ? eval_voc : eval_coco)(options, annotations, results, out);
  return 0;
}

}  // namespace ktrain
