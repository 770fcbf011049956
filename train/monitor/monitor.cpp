#include "train/monitor/monitor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "train/monitor/cross_batch.h"
#include "train/monitor/finite_record.h"
#include "train/monitor/probe_json.h"

namespace ktrain {
namespace {

constexpr double kMomentDecay = 0.9;       // of squared norms, by probe
constexpr std::int64_t kWindowEvery = 16;  // probes

// Which probe of its period takes what; together they would cost more than a short run may spend.
constexpr std::int64_t kHalfTurn = 0, kRealTurn = 1, kLooTurn = 2;
// Plain steps that these take at most, as far as it was seen (docs/monitor.md): a second forward
// pass; one on the held-out batch, with the virtual step before it.
constexpr double kRealSteps = 1.25, kHeldOutSteps = 1.0;

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
  check_remedy_groups(plan.remedy, groups_);
  if (plan.loss.domain.kind == "grl") reversed_ = "domain";
  const ProbeAxis axis = plan_axis();
  active_ = plan_.profile != "off" && !axis.empty();
  if (active_ && plan.remedy.kind != "none")
    remedy_.emplace(plan.remedy, static_cast<std::uint64_t>(plan.seed), parameters);
  if (!active_ || plan_.sketch == 0) return;
  SketchBlocks::Options options;
  options.losses = std::ssize(axis.losses);
  options.buckets = plan_.sketch;
  options.window = plan_.window;
  options.seed = static_cast<std::uint64_t>(plan.seed);
  // Auxiliary losses compare the streams' pyramids; the planted one may be made of detection's.
  if (plan.loss.planted.kind == "none")
    options.trunk_losses = std::ssize(axis.losses) - static_cast<std::int64_t>(axis.detection);
  sketches_.emplace(context, groups_, options);
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
  recorded_ = context_->queue.planning ? planned_.recorded : schedule_->due(step);
  probing_ = recorded_ || (remedy_ && remedy_->live());
  epoch_ = timeline.epoch_of(step);
  return probing_;
}

void Monitor::begin_sketches() {
  // A full window ends with its epoch, so that an error of the hashes does not stay.
  if (segment_epoch_ < 0 || (epoch_ != segment_epoch_ && sketches_->window_full())) {
    segment_epoch_ = epoch_;
    sketches_->begin_segment();
    squares_.clear();
  }
  sketches_->begin_probe();
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
  if (recorded_ && sketches_ && !context_->queue.planning) begin_sketches();
  probe_ = std::make_unique<Probe>(parameters_, groups_, optimizer_, std::move(axis));
  ProbeInput input{terms, total, std::move(features)};
  if (recorded_ && sketches_) input.sketches = &*sketches_;
  if (remedy_ && remedy_->live()) input.remedy = &*remedy_;
  const bool planning = context_->queue.planning;
  if (recorded_ && !planning)
    for (const auto& [group, loss] : channels_) input.channels.insert(group);
  // The plan of memory holds for the probes that take more.
  if (recorded_ && planning && planned_.channels)
    for (const LayerGroups::Group& group : groups_.all()) input.channels.insert(group.name);
  input.half = recorded_ && (planning ? planned_.half && plan_.half_every > 0
                                      : schedule_->turn(plan_.half_every, kHalfTurn));
  std::vector<Tensor> gradients = probe_->walk(input);
  if (remedy_ && !planning) {
    solve_remedy(term_values.empty() ? probe_->term_values() : term_values, gradients);
  } else if (remedy_ && remedy_->live() && context_->queue.device == Device::kCuda) {
    for (const LayerGroups::Group& group : groups_.all())
      answers_.push_back(
          {group.name, std::vector<double>(probe_->axis().losses.size(), 1.0), 0, true, ""});
    probe_->apply(std::exchange(answers_, {}), *remedy_, gradients);
  }
  return gradients;
}

void Monitor::solve_remedy(const std::vector<double>& term_values, std::vector<Tensor>& gradients) {
  ProbeRecord record = probe_->record(term_values, clip_);
  record.step = step_ + 1;  // the order that pcgrad draws is the step's
  answers_.clear();
  if (!drop_non_finite(record).empty() || !is_record(record)) {
    notice("remedy", "the gradients' products are not finite; it leaves the step as it is");
    return;
  }
  answers_ = remedy_->solve(record, probe_->references(remedy_->preconditioned()));
  if (remedy_->live()) probe_->apply(answers_, *remedy_, gradients);
}

std::vector<Monitor::Extras> Monitor::possible_probes() const {
  std::vector<Extras> all;
  if (!active_) return all;
  const bool live = remedy_ && remedy_->live();
  if (live) all.push_back({false, false, false, false, false});
  for (int bits = 0; bits < 16; ++bits) {
    const Extras extras{true, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    if ((extras.half && plan_.half_every == 0) || (extras.real && plan_.real_every == 0) ||
        (extras.leave_one_out && (plan_.loo_every == 0 || live)))
      continue;
    all.push_back(extras);
  }
  return all;
}

Optimizer::Observer Monitor::observer(const std::vector<Tensor>& gradients) {
  if (!probe_) return {};
  return [this, &gradients](std::size_t parameter, const Tensor& before) {
    probe_->updated(parameter, before, gradients[parameter]);
  };
}

bool Monitor::wants_real() const {
  if (context_->queue.planning) return records() && planned_.real;
  return records() && schedule_->turn(plan_.real_every, kRealTurn) &&
         schedule_->affords(kRealSteps);
}

bool Monitor::wants_leave_one_out() const {
  return asks_leave_one_out() && affords_leave_one_out();
}

bool Monitor::asks_leave_one_out() const {
  return records() && !context_->queue.planning && plan_.loo_every > 0 &&
         !(remedy_ && remedy_->live()) &&
         (leave_out_next_ || schedule_->turn(plan_.loo_every, kLooTurn));
}

bool Monitor::affords_leave_one_out() const {
  const auto looks = static_cast<double>(weighted_losses().size() + 1);
  return schedule_->affords(kHeldOutSteps * looks);
}

bool Monitor::plans_leave_one_out() const {
  return context_->queue.planning && records() && planned_.leave_one_out && plan_.loo_every > 0 &&
         !(remedy_ && remedy_->live());
}

std::vector<std::size_t> Monitor::weighted_losses() const {
  std::vector<std::size_t> places;
  const ProbeAxis& axis = probe_->axis();
  if (context_->queue.planning) return {axis.detection};
  for (std::size_t k = axis.detection; k < axis.losses.size(); ++k)
    if (axis.losses[k].weight != 0) places.push_back(k);
  return places;
}

void Monitor::plain_step_took(double seconds) {
  if (active_ && schedule_) schedule_->plain(seconds);
}

MonitorOutput Monitor::end_step(std::int64_t step, const Timeline& timeline, double learning_rate,
                                const std::vector<double>& term_values,
                                std::optional<double> seconds) {
  MonitorOutput out;
  if (!active_) return out;
  const bool on_cpu = context_->queue.device == Device::kCpu;
  if (context_->queue.planning || !records()) {
    probe_.reset();
    after_.clear();
    if (!context_->queue.planning && (on_cpu || seconds))
      schedule_->plain(seconds.value_or(clock_() - begin_));
    out.texts.swap(notices_);
    return out;
  }
  const std::vector<double> values = term_values.empty() ? probe_->term_values() : term_values;
  ProbeRecord record = probe_->record(values, clip_);
  if (!after_.empty()) record.real = probe_->changes(values, after_);
  after_.clear();
  record.step = step + 1;
  record.epoch = timeline.epoch_of(step) + 1;
  record.learning_rate = learning_rate;
  for (const AxisLoss& loss : probe_->axis().losses)
    for (const auto& [term, coefficient] : loss.terms)
      if (names_[term] == reversed_) record.reversed.push_back(loss.name);
  leave_out_non_finite(record);
  if (!is_record(record)) {
    notice("probe", "detection's gradient is not finite; the probe leaves no record");
    changes_.clear();
    probe_.reset();
    schedule_->probed(step, seconds.value_or(clock_() - begin_));
    out.texts.swap(notices_);
    return out;
  }
  add_second_moments(record);
  add_null();
  add_squares(record);
  add_channels(record, out);
  put_off();
  probe_.reset();
  schedule_->probed(step, seconds.value_or(clock_() - begin_));
  if (record.epoch != counted_epoch_) epoch_probes_ = 0;
  counted_epoch_ = record.epoch;
  most_probes_ = std::max(most_probes_, ++epoch_probes_);
  record.seconds = schedule_->last_cost();
  record.interval = schedule_->interval();
  out.lines.insert(out.lines.begin(), to_json(record));
  if (remedy_) out.lines.push_back(remedy_->line(record, answers_));
  add_leave_one_out(record, out);
  add_window(record, out);
  add_alarms(record, out);
  if (const std::string notice = schedule_->take_notice(); !notice.empty())
    out.texts.push_back("monitor   " + notice);
  out.texts.insert(out.texts.begin(), notices_.begin(), notices_.end());
  notices_.clear();
  return out;
}

void Monitor::set_leave_one_out(std::size_t loss, double change) {
  if (std::isfinite(change))
    changes_[loss] = change;
  else
    notice("loo",
           "the held-out detection loss with or without a loss is not finite; it is left "
           "out of the measurements");
}

void Monitor::notice(const std::string& kind, const std::string& text) {
  if (told_.insert(kind).second)
    notices_.push_back(
        fmt::format("monitor   step {}: {} (said once for its kind)", step_ + 1, text));
}

// What this probe would have measured beside its walk, had the budget held it.
void Monitor::put_off() {
  if (schedule_->turn(plan_.real_every, kRealTurn) && !schedule_->affords(kRealSteps))
    notice("real budget",
           "the second forward pass (real) was due and left out: monitor.budget_pct does not hold "
           "it; it is tried again in its next turn");
  const bool asked = asks_leave_one_out() && !affords_leave_one_out();
  if (asked)
    notice("loo budget", fmt::format("leave-one-out was due and left out: monitor.budget_pct does "
                                     "not hold it; it is tried again {}",
                                     leave_out_next_ ? "in the next probe, since an alarm asks"
                                                     : "in its next turn"));
  leave_out_next_ = leave_out_next_ && asked;
}

void Monitor::leave_out_non_finite(ProbeRecord& record) {
  bool gradients = false;
  for (const Dropped& dropped : drop_non_finite(record)) {
    gradients = gradients || dropped.kind == kDroppedGradients;
    notice(dropped.kind,
           fmt::format("the {}{}{} is not finite; it is left out of the record", dropped.kind,
                       dropped.where.empty() ? "" : " in ", dropped.where));
  }
  if (!(gradients || !is_record(record)) || !sketches_) return;
  // What was summed up holds it, too.
  sketches_->begin_segment();
  squares_.clear();
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
  changes_.clear();
}

void Monitor::add_channels(const ProbeRecord& record, MonitorOutput& out) {
  for (const auto& [group, loss] : channels_)
    if (const auto line = channels_line(record, probe_->channels(), group, loss))
      out.lines.push_back(*line);
  channels_.clear();
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
    if (squares == squares_.end() || !sketches_->has(g)) continue;
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
    if (alarm.level == AlarmLevel::kInfo) continue;
    leave_out_next_ = true;
    channels_.emplace(alarm.group, alarm.loss);
  }
}

}  // namespace ktrain
