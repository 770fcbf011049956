#include "train/run_records.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "kernels/profile.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;

Json number(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

std::string cell(std::optional<double> value) {
  return value ? fmt::format("{:.6f}", *value) : std::string();
}

// What the clip leaves of a gradient of this length (kernels/clip.h).
double clip_of(double norm, double largest) {
  return largest > 0 ? std::min(largest / (norm + 1e-6), 1.0) : 1.0;
}

std::string percent(std::optional<double> value) {
  return value ? fmt::format("{:.2f} %", *value * 100) : std::string("n/a");
}

}  // namespace

RunRecords::RunRecords(RunFolder& folder, Console& console, const Plan& plan,
                       const Timeline& timeline, std::int64_t total_steps,
                       const std::vector<std::string>& loss_names)
    : folder_(folder),
      console_(console),
      plan_(plan),
      timeline_(timeline),
      total_steps_(total_steps),
      loss_names_(loss_names),
      clock_(monotonic_seconds()) {
  window_.terms.resize(loss_names_.size());
}

void RunRecords::text(const std::string& text) {
  console_.text(text);
  folder_.log(text);
}

void RunRecords::result(const std::string& text) {
  console_.result(text);
  folder_.log(text);
}

void RunRecords::restart_clock() { clock_ = monotonic_seconds(); }

void RunRecords::step(const Progress& progress, const StepReport& report, double data_seconds) {
  const double now = monotonic_seconds(), seconds = now - clock_;
  const double waited = data_seconds - loader_clock_;
  clock_ = now;
  loader_clock_ = data_seconds;
  train_seconds_ += seconds;
  data_seconds_ += waited;
  ++steps_;
  ++window_.steps;
  window_.seconds += seconds;
  window_.data_seconds += waited;
  window_.total += report.values.total;
  window_.norm += report.gradient_norm;
  window_.clip += clip_of(report.gradient_norm, plan_.optimizer.clip);
  for (const std::string& term : report.without_rows) ++window_.without_rows[term];
  for (std::size_t i = 0; i < window_.terms.size(); ++i) window_.terms[i] += report.values.terms[i];

  const double left = train_seconds_ / static_cast<double>(steps_) *
                      static_cast<double>(total_steps_ - progress.step);
  const std::int64_t in_epoch = (progress.step - 1) % timeline_.steps_per_epoch + 1;
  constexpr std::int64_t kBar = 20;
  const auto done = static_cast<std::size_t>(kBar * in_epoch / timeline_.steps_per_epoch);
  console_.live(fmt::format(
      "epoch {}/{} [{:<20}] {}/{}  loss {:.4f}  {:.1f} pairs/s  eta {}",
      timeline_.epoch_of(progress.step - 1) + 1, timeline_.epochs, std::string(done, '='), in_epoch,
      timeline_.steps_per_epoch, report.values.total,
      static_cast<double>(plan_.train.batch) / std::max(seconds, 1e-9), duration_text(left)));
  if (window_.steps == plan_.output.log_every || progress.step == total_steps_)
    log_window(progress, report);
}

void RunRecords::log_window(const Progress& progress, const StepReport& report) {
  const auto n = static_cast<double>(window_.steps);
  const double rate = n * static_cast<double>(plan_.train.batch) / std::max(window_.seconds, 1e-9);
  const double data_share = window_.data_seconds / std::max(window_.seconds, 1e-9);
  const double left = train_seconds_ / static_cast<double>(steps_) *
                      static_cast<double>(total_steps_ - progress.step);
  const std::int64_t epoch = timeline_.epoch_of(progress.step - 1) + 1;
  Json json = {{"kind", "train"},
               {"step", progress.step},
               {"epoch", epoch},
               {"mean_over", window_.steps},
               {"loss", window_.total / n}};
  std::string terms;
  for (std::size_t i = 0; i < loss_names_.size(); ++i) {
    json[loss_names_[i]] = window_.terms[i] / n;
    terms += fmt::format(" {} {:.4f}", loss_names_[i], window_.terms[i] / n);
  }
  for (std::size_t i = 0; i < loss_names_.size(); ++i)
    json[fmt::format("weight_{}", loss_names_[i])] = report.values.weights[i];
  json["lr"] = report.learning_rate;
  json["gradient_norm"] = window_.norm / n;
  json["clip"] = window_.clip / n;
  json["pairs_per_second"] = rate;
  json["data_share"] = data_share;
  for (const SideNumber& number : report.side) json[number.name] = number.read();
  for (const auto& [term, steps] : window_.without_rows) {
    json[term + "_empty_steps"] = steps;
    terms += fmt::format(" {} without a pair in {} of {} steps", term, steps, window_.steps);
  }
  folder_.scalar(json.dump());
  console_.record(json.dump());
  text(fmt::format(
      "epoch {}/{}  step {:>5}/{}  loss {:.4f} ({} )  |g| {:.2f}  lr {:.2e}  {:.1f} pairs/s  "
      "data {:.1f} %  eta {}",
      epoch, timeline_.epochs, progress.step, total_steps_, window_.total / n, terms,
      window_.norm / n, report.learning_rate, rate, data_share * 100, duration_text(left)));
  const std::size_t names = window_.terms.size();
  window_ = {};
  window_.terms.resize(names);
}

void RunRecords::validation(const Progress& progress, const Validation& v,
                            const StopVerdict& verdict, double seconds) {
  const metrics::VocClass& person = v.voc.classes[0];
  Json json = {{"kind", "validation"},         {"step", progress.step}, {"epoch", progress.epoch},
               {"fingerprint", v.fingerprint}, {"gts", person.gts},     {"dets", person.dets}};
  std::string header = "epoch,step,gts,dets";
  std::string line =
      fmt::format("{},{},{},{}", progress.epoch, progress.step, person.gts, person.dets);
  for (const std::string_view name : kMetricNames) {
    json[std::string(name)] = number(v.metric(name));
    header += fmt::format(",{}", name);
    line += fmt::format(",{}", cell(v.metric(name)));
  }
  json["best"] = verdict.best;
  json["seconds"] = seconds;
  folder_.scalar(json.dump());
  folder_.result(header + ",best,seconds", line + fmt::format(",{},{:.2f}", verdict.best, seconds));
  console_.record(json.dump());
  text(fmt::format(
      "epoch {}/{}  validation  mAP {}  11-point {}  recall {}  miss rate {}  "
      "({} boxes found, {} wanted)  {:.1f} s{}{}",
      progress.epoch, timeline_.epochs, percent(v.metric("map")), percent(v.metric("map_11point")),
      percent(v.metric("recall")), percent(v.metric("miss_rate")), person.dets, person.gts, seconds,
      verdict.best ? "  best so far" : "",
      verdict.reason.empty() ? std::string() : fmt::format("\n{}", verdict.reason)));
}

void RunRecords::end(const std::string& state, const Progress& progress, const EarlyStop& stop) {
  Json json = {{"kind", "end"},
               {"state", state},
               {"step", progress.step},
               {"epoch", progress.epoch},
               {"best_epoch", stop.best_epoch()},
               {"metric", plan_.stop.metric}};
  json["best_value"] = stop.best_epoch() > 0 ? Json(stop.best_value()) : Json(nullptr);
  json["folder"] = folder_.path();
  console_.record(json.dump());
}

void RunRecords::status(const std::string& state, const Progress& progress, const EarlyStop& stop,
                        const std::string& message) {
  Json json = {{"state", state},
               {"step", progress.step},
               {"steps", total_steps_},
               {"epoch", progress.epoch},
               {"epochs", timeline_.epochs},
               {"best_epoch", stop.best_epoch()},
               {"metric", plan_.stop.metric}};
  json["best_value"] = stop.best_epoch() > 0 ? Json(stop.best_value()) : Json(nullptr);
  json["process"] = ::getpid();
  json["lost_log_lines"] = folder_.lost_lines();
  json["message"] = message;
  folder_.write("STATUS", json.dump() + "\n");
}

}  // namespace ktrain
