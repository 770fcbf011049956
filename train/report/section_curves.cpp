// Precision against recall, misses against false alarms, and the images where most went wrong.
#include <cmath>

#include "train/report/chart.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

// What is left of a curve of thousands of points when neighbours that look alike are left out.
template <class Make>
Series thinned(const std::string& name, std::size_t color, std::size_t count, Make make) {
  constexpr double kNear = 0.004;
  Series s{.name = name, .color = static_cast<int>(color % 8), .points = {}};
  for (std::size_t i = 0; i < count; ++i) {
    Point p = make(i);
    if (!s.points.empty() && i + 1 < count &&
        std::abs(p.x - s.points.back().x) < kNear * std::max(p.x, 0.01) &&
        std::abs(p.y - s.points.back().y) < kNear)
      continue;
    s.points.push_back(std::move(p));
  }
  return s;
}

Series precision_recall(const RunData& run, const Rescored& r, std::size_t color) {
  return thinned(run.name, color, r.precision_recall.size(), [&](std::size_t i) {
    const auto& p = r.precision_recall[i];
    return Point{.x = p.recall,
                 .y = p.precision,
                 .tip = fmt::format("{}: precision {}, recall {} at score {}", run.name,
                                    number(p.precision), number(p.recall), number(p.score))};
  });
}

Series misses(const RunData& run, const Rescored& r, std::size_t color) {
  Series s = thinned(run.name, color, r.fppi.size(), [&](std::size_t i) {
    const auto& p = r.fppi[i];
    return Point{
        .x = std::max(p.fppi, 1e-3),
        .y = 1 - p.recall,
        .tip = fmt::format("{}: miss rate {} at {} false alarms per image, score {}", run.name,
                           number(1 - p.recall), number(p.fppi), number(p.score))};
  });
  s.steps = true;
  return s;
}

std::string box_svg(const WorstBox& b) {
  static constexpr const char* kClasses[] = {"hit-box", "false-box", "missed-box", "ignored-box"};
  static constexpr const char* kNames[] = {"found", "false alarm", "missed", "region to ignore"};
  const auto kind = static_cast<std::size_t>(b.kind);
  const bool detection = b.kind == WorstBox::Kind::kHit || b.kind == WorstBox::Kind::kFalse;
  return fmt::format(
      "<rect class=\"box {}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
      "<title>{}{}</title></rect>",
      kClasses[kind], b.box.x, b.box.y, b.box.w, b.box.h, kNames[kind],
      detection ? fmt::format(", score {:.3f}", b.score) : std::string());
}

std::string side(const WorstPair& pair, const std::string& uri, const std::string& what) {
  std::string boxes;
  for (const WorstBox& b : pair.boxes) boxes += box_svg(b);
  return fmt::format(
      "<svg class=\"photo\" viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2} image of {3}\">"
      "<image href=\"{4}\" width=\"{0}\" height=\"{1}\" preserveAspectRatio=\"none\"/>{5}</svg>",
      pair.width, pair.height, what, escaped(pair.id), uri, boxes);
}

std::string worst_of(const RunData& run, const Rescored& r, Page& page) {
  std::string out;
  Json data = Json::array();
  for (const WorstPair& pair : r.worst) {
    data.push_back({{"id", pair.id}, {"missed", pair.misses}, {"false_alarms", pair.false_alarms}});
    out += "<div class=\"pair\">";
    if (pair.problem.empty())
      out += side(pair, pair.visible, "visible") + side(pair, pair.thermal, "thermal");
    else
      out += absent("The images cannot be shown: " + escaped(pair.problem));
    out += fmt::format("<p><code>{}</code> {} missed, {} false alarms</p></div>\n",
                       escaped(pair.id), pair.misses, pair.false_alarms);
  }
  page.data["worst"][run.name] = data;
  if (out.empty()) return absent(escaped(run.name) + ": no image with a miss or a false alarm.");
  return page.figures.figure(
      "f-worst-" + std::to_string(page.data["worst"].size()),
      "<div class=\"pairs\">" + out + "</div>",
      fmt::format(
          "{}, epoch {}: the images with most misses and false alarms together, visible left, "
          "thermal right. Found are detections of a score from {} on, where precision and recall "
          "have the best F1 ({}). <span class=\"key-box hit-box\">found</span> <span "
          "class=\"key-box false-box\">false alarm</span> <span class=\"key-box "
          "missed-box\">missed</span> <span class=\"key-box ignored-box\">ignored</span>",
          escaped(run.name), r.epoch, number(r.threshold), number(r.f1)));
}

}  // namespace

void add_curves(const Report& report, Page& page) {
  Chart pr, fppi;
  pr.title = "Precision and recall, IoU 0.5";
  pr.x = {.label = "recall", .least = 0, .most = 1};
  pr.y = {.label = "precision", .least = 0, .most = 1.02};
  fppi.title = "Miss rate and false alarms, KAIST reasonable";
  fppi.x = {.label = "false alarms per image", .log = true, .least = 1e-3, .most = 10};
  fppi.y = {.label = "miss rate", .log = true, .least = 0.02, .most = 1};
  std::string gaps, notes;
  for (std::size_t i = 0; i < report.runs.size(); ++i) {
    const RunData& run = report.runs[i];
    const Rescored& r = report.rescored[i];
    if (!r.problem.empty()) {
      gaps +=
          absent(fmt::format("{}: no curves, since {}.", escaped(run.name), escaped(r.problem)));
      continue;
    }
    pr.series.push_back(precision_recall(run, r, i));
    fppi.series.push_back(misses(run, r, i));
    if (r.map && r.recorded_map && std::abs(*r.map - *r.recorded_map) > 5e-4)
      gaps +=
          absent(fmt::format("{}: the kept detections, which have four decimals, score mAP {}; "
                             "the run recorded {}.",
                             escaped(run.name), number(r.map), number(r.recorded_map)));
    notes += fmt::format(" {}: epoch {}, mAP {}, log-average miss rate {}.", escaped(run.name),
                         r.epoch, number(r.map), number(r.miss_rate));
    page.data["curves"][run.name] = {{"epoch", r.epoch},
                                     {"fingerprint", r.fingerprint},
                                     {"map_of_curve", r.map ? Json(*r.map) : Json(nullptr)},
                                     {"miss_rate", r.miss_rate}};
  }
  const std::string charts = draw(pr) + draw(fppi);
  page.section("curves", "Detection curves",
               gaps + (charts.empty() ? ""
                                      : page.figures.figure(
                                            "f-curves", "<div class=\"grid2\">" + charts + "</div>",
                                            "Curves of the best validation, recomputed from the "
                                            "detections that the run kept." +
                                                notes)));
}

void add_worst(const Report& report, Page& page) {
  std::string body;
  for (std::size_t i = 0; i < report.runs.size(); ++i)
    body += report.rescored[i].problem.empty()
                ? worst_of(report.runs[i], report.rescored[i], page)
                : absent(fmt::format("{}: no images, since {}.", escaped(report.runs[i].name),
                                     escaped(report.rescored[i].problem)));
  page.section("worst", "Where it went wrong", body);
}

}  // namespace ktrain::report
