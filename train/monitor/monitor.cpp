#include "train/monitor/monitor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "train/monitor/cross_batch.h"
#include "train/monitor/probe_json.h"

namespace ktrain {
namespace {

constexpr double kMomentDecay = 0.9;       // of squared norms, by probe
constexpr std::int64_t kWindowEvery = 16;  // probes

std::vector<LossTerm> terms_named(const std::vector<std::string>& names) {
  std::vector<LossTerm> terms;
  for (const std::string& name : names) terms.push_back({name, {}, 1.0});
  return terms;
}

std::vector<std::string> loss_names(const ProbeAxis& axis) {
  std::vector<std::string> names;
  for (const AxisLoss& loss : axis.losses) names.push_back(loss.name);
  return names;
}

}  // namespace

Monitor::Monitor(const Plan& plan, const ContextPtr& context, const ParameterSet& parameters,
                 const Optimizer& optimizer, const std::vector<std::string>& names,
                 std::size_t num_detection, std::function<double()> clock)
    : plan_(plan.monitor),
      clip_(plan.optimizer.clip),
      steps_limit_(plan.train.steps),
      context_(context),
      parameters_(parameters),
      optimizer_(optimizer),
      names_(names),
      num_detection_(num_detection),
      clock_(clock ? std::move(clock) : monotonic_seconds),
      groups_(parameters) {
  const ProbeAxis axis = make_axis(plan_.profile, terms_named(names), num_detection);
  active_ = plan_.profile != "off" && !axis.empty();
  if (active_ && plan.remedy.kind != "none")
    remedy_.emplace(plan.remedy, static_cast<std::uint64_t>(plan.seed), parameters);
  if (!active_ || plan_.sketch == 0) return;
  SketchBlocks::Options options;
  options.losses = std::ssize(axis.losses);
  options.buckets = plan_.sketch;
  options.window = plan_.window;
  options.seed = static_cast<std::uint64_t>(plan.seed);
  sketches_.emplace(context, groups_, options);
}

std::string Monitor::heading() const {
  if (plan_.profile == "off") return "monitor   off";
  if (!active_)
    return fmt::format(
        "monitor   {}: nothing to compare, since no auxiliary loss is on; costs nothing",
        plan_.profile);
  const ProbeAxis axis = make_axis(plan_.profile, terms_named(names_), num_detection_);
  const std::string what = fmt::format("monitor   {}: {} in {} layer groups", plan_.profile,
                                       fmt::join(loss_names(axis), ", "), groups_.all().size());
  if (remedy_ && remedy_->live())
    return what + fmt::format("; trains with a remedy, which costs {} trunk backwards a step",
                              axis.losses.size() - 1);
  if (plan_.profile == "surgery") return what + ", every step, whatever it costs";
  return what + fmt::format(", every {} steps, at most {:g} % of the run's time", plan_.interval,
                            plan_.budget_pct);
}

bool Monitor::begin_step(std::int64_t step, const Timeline& timeline) {
  if (!active_) return false;
  begin_ = clock_();
  step_ = step;
  if (!schedule_) {
    std::int64_t steps = timeline.steps();
    if (steps_limit_ > 0) steps = std::min(steps, steps_limit_);
    schedule_.emplace(plan_, steps, plan_.profile == "surgery");
    if (!pending_.empty()) schedule_->restore(nlohmann::json::parse(pending_));
    pending_.clear();
  }
  recorded_ = context_->queue.planning || schedule_->due(step);
  probing_ = recorded_ || (remedy_ && remedy_->live());
  if (!recorded_ || context_->queue.planning || !sketches_) return probing_;
  // A full window ends with its epoch, so that an error of the hashes does not stay.
  const std::int64_t epoch = timeline.epoch_of(step);
  if (segment_epoch_ < 0 || (epoch != segment_epoch_ && sketches_->window_full())) {
    segment_epoch_ = epoch;
    sketches_->begin_segment();
    squares_.clear();
  }
  sketches_->begin_probe();
  return probing_;
}

std::vector<Tensor> Monitor::walk(const std::vector<LossTerm>& terms, const Tensor& total,
                                  std::vector<WatchedFeature> features,
                                  const std::vector<double>& term_values) {
  ProbeAxis axis = make_axis(plan_.profile, terms, num_detection_);
  if (axis.empty()) {  // no detection loss has a weight in this step
    probing_ = false;
    if (recorded_) schedule_->skip(step_);
    return backward(total, parameters_, Tape::kConsume);
  }
  probe_ = std::make_unique<Probe>(parameters_, groups_, optimizer_, std::move(axis));
  ProbeInput input{terms, total, std::move(features)};
  if (recorded_ && sketches_) input.sketches = &*sketches_;
  if (remedy_ && remedy_->live()) input.remedy = &*remedy_;
  input.half = recorded_ && plan_.half_every > 0 && schedule_->probes() % plan_.half_every == 0;
  std::vector<Tensor> gradients = probe_->walk(input);
  if (remedy_ && !context_->queue.planning) {
    ProbeRecord record = probe_->record(term_values, clip_);
    record.step = step_ + 1;  // the order that pcgrad draws is the step's
    answers_ = remedy_->solve(record, probe_->references());
    if (remedy_->live()) probe_->apply(answers_, *remedy_, gradients);
  }
  return gradients;
}

Optimizer::Observer Monitor::observer(const std::vector<Tensor>& gradients) {
  if (!probe_) return {};
  return [this, &gradients](std::size_t parameter, const Tensor& before) {
    probe_->updated(parameter, before, gradients[parameter]);
  };
}

bool Monitor::wants_real() const {
  return recorded_ && probing_ && !context_->queue.planning && plan_.real_every > 0 &&
         schedule_->probes() % plan_.real_every == 0;
}

bool Monitor::wants_leave_one_out() const {
  return recorded_ && probing_ && !context_->queue.planning && plan_.loo_every > 0 &&
         !(remedy_ && remedy_->live()) &&
         (leave_out_next_ || schedule_->probes() % plan_.loo_every == 0);
}

std::vector<std::size_t> Monitor::weighted_losses() const {
  std::vector<std::size_t> places;
  const ProbeAxis& axis = probe_->axis();
  for (std::size_t k = axis.detection; k < axis.losses.size(); ++k)
    if (axis.losses[k].weight != 0) places.push_back(k);
  return places;
}

MonitorOutput Monitor::end_step(std::int64_t step, const Timeline& timeline, double learning_rate,
                                const std::vector<double>& term_values) {
  MonitorOutput out;
  if (!active_) return out;
  if (context_->queue.planning || !probing_ || !recorded_) {
    probe_.reset();
    if (!context_->queue.planning) schedule_->plain(clock_() - begin_);
    return out;
  }
  ProbeRecord record = probe_->record(term_values, clip_);
  if (!after_.empty()) record.real = probe_->changes(term_values, after_);
  after_.clear();
  record.step = step + 1;
  record.epoch = timeline.epoch_of(step) + 1;
  record.learning_rate = learning_rate;
  add_second_moments(record);
  add_null();
  add_squares(record);
  probe_.reset();
  schedule_->probed(step, clock_() - begin_);
  record.seconds = schedule_->last_cost();
  record.interval = schedule_->interval();
  out.lines.push_back(to_json(record));
  if (remedy_) out.lines.push_back(remedy_->line(record, answers_));
  add_leave_one_out(record, out);
  add_window(record, out);
  add_alarms(record, out);
  if (const std::string notice = schedule_->take_notice(); !notice.empty())
    out.texts.push_back("monitor   " + notice);
  return out;
}

void Monitor::add_second_moments(ProbeRecord& record) {
  for (GroupGram& group : record.groups) {
    double detection = 0, total = 0;
    for (std::size_t i = 0; i < record.losses.size(); ++i)
      for (std::size_t j = 0; j < record.losses.size(); ++j) {
        const double part = record.weights[i] * record.weights[j] * group.raw(i, j);
        total += part;
        if (i < record.detection && j < record.detection) detection += part;
      }
    SecondMoments& mean = moments_[group.group];
    const double c = record.clip * record.clip;
    mean.detection = kMomentDecay * mean.detection + (1 - kMomentDecay) * c * detection;
    mean.total = kMomentDecay * mean.total + (1 - kMomentDecay) * c * total;
    if (mean.total > 0 && mean.detection >= 0) group.rv = std::sqrt(mean.detection / mean.total);
  }
}

void Monitor::add_null() {
  for (const auto& [group, cosine] : probe_->split_half()) {
    alarms_.add_null(group, cosine);
    self_[group] = cosine;
  }
}

void Monitor::add_leave_one_out(const ProbeRecord& record, MonitorOutput& out) {
  for (const auto& [place, change] : changes_) {
    const std::string& loss = record.losses[place];
    const std::vector<double>& values =
        left_out_.add(loss, change, record.weights[place], record.learning_rate);
    nlohmann::ordered_json line = {{"kind", "loo"},
                                   {"step", record.step},
                                   {"epoch", record.epoch},
                                   {"loss", loss},
                                   {"delta_det", values}};
    line["mean"] =
        std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    if (const std::optional<Interval> mean = mean_interval(values)) {
      alarms_.set_leave_one_out(loss, mean->lo, mean->hi);
      line["lo"] = mean->lo;
      line["hi"] = mean->hi;
    }
    out.lines.push_back(line.dump());
  }
  if (!changes_.empty()) leave_out_next_ = false;
  changes_.clear();
}

void Monitor::add_squares(const ProbeRecord& record) {
  if (!sketches_) return;
  for (const GroupGram& group : record.groups) {
    std::deque<std::vector<double>>& kept = squares_[group.group];
    kept.emplace_back();
    for (std::size_t k = 0; k < group.raw.size(); ++k) kept.back().push_back(group.raw(k, k));
    while (std::ssize(kept) > sketches_->probes()) kept.pop_front();
  }
}

void Monitor::add_window(const ProbeRecord& record, MonitorOutput& out) {
  if (!sketches_ || schedule_->probes() % kWindowEvery != 0 || sketches_->blocks() < 3) return;
  std::vector<WindowGroup> groups;
  for (std::size_t g = 0; g < groups_.all().size(); ++g) {
    const std::string& name = groups_.all()[g].name;
    const auto squares = squares_.find(name);
    if (squares == squares_.end()) continue;
    BlockSums sums = sketches_->sums(g);
    sums.mean_squares.assign(sums.losses, 0);
    for (const std::vector<double>& probe : squares->second)
      for (std::size_t k = 0; k < probe.size(); ++k)
        sums.mean_squares[k] += probe[k] / static_cast<double>(squares->second.size());
    WindowGroup& group = groups.emplace_back(WindowGroup{name, CrossBatch(std::move(sums)), {}});
    if (const auto self = self_.find(name); self != self_.end())
      group.self.emplace_back("det", self->second);
    // Alarms are about detection as a whole, which is one loss on every axis but that of deep.
    if (record.detection != 1) continue;
    for (std::size_t j = 1; j < record.losses.size(); ++j) {
      const CrossBatchCosine found = group.batch.cosine(0, j);
      if (found.below_noise)
        alarms_.set_cross_batch_below_noise(name, record.losses[j]);
      else
        alarms_.set_cross_batch(name, record.losses[j], found.cosine.lo, found.cosine.hi);
    }
  }
  out.lines.push_back(window_json(record.step, record.epoch, record.losses, groups));
}

void Monitor::add_alarms(const ProbeRecord& record, MonitorOutput& out) {
  for (const Alarm& alarm : alarms_.add(record)) {
    out.lines.push_back(to_json(alarm));
    out.texts.push_back(alarm.text);
    ++said_[std::string(level_name(alarm.level))];
    if (alarm.level == AlarmLevel::kClear) continue;
    last_alarm_ = alarm.text;
    leave_out_next_ = true;
  }
}

std::string Monitor::summary() const {
  if (!active_ || !schedule_) return "";
  std::string text =
      fmt::format("monitor        {} probes ({}), ", schedule_->probes(), plan_.profile);
  const double plain = schedule_->plain_seconds();
  if (plain > 0)
    text += fmt::format("{:.1f} s beyond plain steps", schedule_->spent());
  else
    text += "no step without one, so what they cost is not known";
  if (plain > 0 && schedule_->probes() > 0)
    text += fmt::format(", {:.2f} of a step each",
                        schedule_->spent() / static_cast<double>(schedule_->probes()) / plain);
  text += ".\n";
  std::vector<std::string> counts;
  for (const auto& [level, count] : said_) counts.push_back(fmt::format("{} {}", count, level));
  text += counts.empty() ? "               No alarm: its rule wants 20 probes of one epoch and a "
                           "band below -0.02.\n"
                         : fmt::format("               Said: {}.\n", fmt::join(counts, ", "));
  if (!last_alarm_.empty()) text += fmt::format("               Last: {}\n", last_alarm_);
  return text;
}

std::string Monitor::key_text() const {
  const ProbeAxis axis = make_axis(plan_.profile, terms_named(names_), num_detection_);
  return fmt::format("{} {} {} {}", plan_.profile, fmt::join(loss_names(axis), ","), plan_.sketch,
                     plan_.window);
}

std::vector<NamedArray> Monitor::state() const {
  std::vector<NamedArray> arrays;
  if (sketches_) arrays = sketches_->state();
  if (remedy_)
    for (NamedArray& array : remedy_->state()) arrays.push_back(std::move(array));
  return arrays;
}

std::string Monitor::state_text() const {
  if (!active_) return "";
  nlohmann::json json = {{"key", key_text()},
                         {"alarms", alarms_.state()},
                         {"said", said_},
                         {"last", last_alarm_},
                         {"squares", squares_},
                         {"self", self_},
                         {"left_out", left_out_.state()},
                         {"leave_out_next", leave_out_next_},
                         {"segment_epoch", segment_epoch_}};
  if (schedule_)
    json["schedule"] = schedule_->state();
  else if (!pending_.empty())
    json["schedule"] = nlohmann::json::parse(pending_);
  if (sketches_) json["sketches"] = sketches_->numbers();
  if (remedy_) json["remedy"] = remedy_->state_text();
  for (const auto& [group, mean] : moments_) json["moments"][group] = {mean.detection, mean.total};
  return json.dump();
}

std::string Monitor::restore(const LoadedCheckpoint& from) {
  if (!active_) return "";
  const std::string anew = "monitor   the run goes on under other monitor keys; windows begin anew";
  const auto text = from.metadata().find("monitor");
  if (text == from.metadata().end() && !remedy_) return anew;
  const auto json =
      nlohmann::json::parse(from.metadata("monitor"), nullptr, /*allow_exceptions=*/false);
  if (remedy_) remedy_->restore(from, json.is_object() ? json.value("remedy", "") : "");
  if (!json.is_object() || json.value("key", "") != key_text()) return anew;
  if (sketches_ && !sketches_->restore(from, json.at("sketches").get<std::vector<std::int64_t>>()))
    return anew;
  alarms_.restore(json.at("alarms").get<std::string>());
  said_ = json.at("said").get<std::map<std::string, std::int64_t>>();
  last_alarm_ = json.at("last").get<std::string>();
  squares_ = json.at("squares").get<decltype(squares_)>();
  self_ = json.at("self").get<decltype(self_)>();
  left_out_.restore(json.at("left_out"));
  leave_out_next_ = json.at("leave_out_next").get<bool>();
  segment_epoch_ = json.at("segment_epoch").get<std::int64_t>();
  if (json.contains("schedule")) pending_ = json.at("schedule").dump();
  schedule_.reset();
  moments_.clear();
  if (json.contains("moments"))
    for (const auto& [group, mean] : json.at("moments").items())
      moments_[group] = {mean.at(0).get<double>(), mean.at(1).get<double>()};
  return "";
}

}  // namespace ktrain
