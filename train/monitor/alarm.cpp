#include "train/monitor/alarm.h"

#include <algorithm>
#include <cmath>

#include "train/monitor/alarm_text.h"
#include "train/monitor/detection_axis.h"

namespace ktrain {
namespace {

// The deviation below which a series counts as constant in the CUSUM: a planted conflict has
// cosine -1 at every probe.
constexpr double kLeastDeviation = 1e-3;
constexpr std::int64_t kCusumWarmUp = 5;  // probes for a first deviation

bool changed_by(double factor, double from, double to) {
  if ((from == 0) != (to == 0)) return true;
  return std::abs(to) >= factor * std::abs(from) || std::abs(from) >= factor * std::abs(to);
}

}  // namespace

bool AlarmRule::new_segment(const Cell& cell, const ProbeRecord& summed, std::size_t j) const {
  return cell.cosines.n() == 0 || cell.epoch != summed.epoch || new_dose(cell, summed, j);
}

bool AlarmRule::new_dose(const Cell& cell, const ProbeRecord& summed, std::size_t j) const {
  const double weight = summed.weights[j], rate = summed.learning_rate;
  return (weight != cell.weight && changed_by(options_.factor, cell.weight, weight)) ||
         (rate != cell.learning_rate && changed_by(options_.factor, cell.learning_rate, rate));
}

void AlarmRule::collect(Cell& cell, const ProbeRecord& summed, double cosine, double tax) const {
  cell.cosines.add(cosine);
  cell.conflicts += cosine < -options_.delta;
  if (const auto change = predicted_detection(summed)) {
    ++cell.steps;
    cell.harmful += *change > 0;
  }
  cell.taxes.push_back(tax);
  if (static_cast<std::int64_t>(cell.taxes.size()) > options_.probes) cell.taxes.pop_front();
  cell.low_tax = tax < options_.clear_tax ? cell.low_tax + 1 : 0;
  // The first probes wait until the deviation is known, then count as the others do.
  cell.early.emplace_back(summed.step, cosine);
  if (cell.cosines.n() < kCusumWarmUp) return;
  const double sd = std::max(cell.cosines.local_sd(), kLeastDeviation);
  for (const auto& [step, c] : cell.early) cell.cusum.add((-options_.delta - c) / sd, step);
  cell.early.clear();
}

AlarmRule::Judgement AlarmRule::judge(const Key& key, const Cell& cell) const {
  Judgement found;
  const double delta = options_.delta, mean = cell.cosines.mean(), r1 = cell.cosines.r1();
  const std::int64_t n = cell.cosines.n();
  const auto cells = static_cast<double>(
      std::max<std::int64_t>(options_.cells, static_cast<std::int64_t>(cells_.size())));
  found.half_width =
      sequence_half_width(n, cell.cosines.sd() * correlation_inflation(r1), options_.alpha / cells);
  const std::vector<double> taxes(cell.taxes.begin(), cell.taxes.end());
  found.tax = median_of(taxes);
  found.spoken = n >= options_.probes && r1 <= options_.r1;
  found.conflict = found.spoken && mean + found.half_width < -delta;
  // A loss without a weight costs detection nothing, whatever the whole step does.
  found.material = cell.weight != 0 && ((found.tax && *found.tax >= options_.tax) ||
                                        static_cast<double>(cell.harmful) >
                                            options_.harmful * static_cast<double>(cell.steps));
  // A small tax ends what was said of its size; that the cosine is negative stays said.
  found.clear = (found.spoken && mean - found.half_width > -delta) ||
                (cell.low_tax >= options_.probes && !found.material &&
                 (cell.level > AlarmLevel::kInfo || !found.conflict));

  const auto null = null_.find(key.first);
  if (null == null_.end()) {
    found.label = "split-half null not measured";
  } else {
    found.beyond_null = larger_proportion_p_value({cell.conflicts, n}, null->second) < 0.05;
    if (!found.beyond_null) found.label = "ordinary sampling conflict";
  }
  if (const auto loo = leave_one_out_.find(key.second); loo != leave_one_out_.end())
    found.shown_twice = loo->second.first > 0;
  if (const auto cross = cross_batch_.find(key); cross != cross_batch_.end()) {
    const CrossBatch& cosine = cross->second;
    if (cosine.below_noise || (cosine.lo <= 0 && cosine.hi >= 0))
      found.label +=
          (found.label.empty() ? "" : "; ") + std::string("step-level only (shared-batch noise)");
    else
      found.shown_twice = found.shown_twice || cosine.hi < -delta;
  }
  return found;
}

Alarm AlarmRule::message(const Key& key, const Cell& cell, const Judgement& judgement,
                         const ProbeRecord& summed, std::size_t j) const {
  const double mean = cell.cosines.mean();
  Alarm alarm{.step = summed.step,
              .epoch = summed.epoch,
              .level = cell.level,
              .group = key.first,
              .loss = key.second,
              .mean = mean,
              .lo = mean - judgement.half_width,
              .hi = mean + judgement.half_width,
              .n = cell.cosines.n(),
              .r1 = cell.cosines.r1(),
              .tax = judgement.tax,
              .lambda = summed.weights[j],
              .onset_step = cell.cusum.state().onset,
              .label = judgement.label,
              .text = {}};
  alarm.text = alarm_text(alarm, {.first_step = cell.first_step,
                                  .conflicts = cell.conflicts,
                                  .harmful = cell.harmful,
                                  .steps = cell.steps});
  return alarm;
}

std::vector<Alarm> AlarmRule::add(const ProbeRecord& record) {
  const ProbeRecord summed = with_detection_summed(record);
  std::vector<std::pair<Key, std::size_t>> touched;
  for (const GroupGram& group : summed.groups)
    for (std::size_t j = 1; j < summed.losses.size(); ++j) {
      const auto c = cosine(step_gram(group), 0, j);
      const auto cancelled = tax(summed, group, j);
      if (!c || !cancelled) continue;
      const Key key{group.group, summed.losses[j]};
      Cell& cell = cells_[key];
      if (new_segment(cell, summed, j)) {
        // What was measured under another weight or rate is no evidence on this one.
        if (cell.cosines.n() > 0 && new_dose(cell, summed, j)) {
          leave_one_out_.erase(key.second);
          cross_batch_.erase(key);
        }
        const AlarmLevel level = cell.level;
        cell = Cell{};
        cell.level = level;
        cell.first_step = summed.step;
        cell.epoch = summed.epoch;
        cell.weight = summed.weights[j];
        cell.learning_rate = summed.learning_rate;
      }
      collect(cell, summed, *c, *cancelled);
      touched.emplace_back(key, j);
    }

  std::vector<Alarm> said;
  for (const auto& [key, j] :
       touched) {  // after all cells of this probe are known: they share alpha
    Cell& cell = cells_.at(key);
    const Judgement found = judge(key, cell);
    AlarmLevel level = cell.level;
    if (found.conflict) {
      const bool alarm = found.material && found.beyond_null && found.shown_twice;
      level = std::max(level, alarm            ? AlarmLevel::kAlarm
                              : found.material ? AlarmLevel::kWarn
                                               : AlarmLevel::kInfo);
    }
    if (level == cell.level && level != AlarmLevel::kNone && found.clear)
      level = AlarmLevel::kClear;
    if (level == cell.level) continue;
    cell.level = level;
    said.push_back(message(key, cell, found, summed, j));
    if (level == AlarmLevel::kClear) cell.level = AlarmLevel::kNone;
  }
  return said;
}

void AlarmRule::set_cross_batch(const std::string& group, const std::string& loss, double lo,
                                double hi) {
  cross_batch_[{group, loss}] = {.below_noise = false, .lo = lo, .hi = hi};
}

void AlarmRule::set_cross_batch_below_noise(const std::string& group, const std::string& loss) {
  cross_batch_[{group, loss}] = {.below_noise = true};
}

void AlarmRule::set_leave_one_out(const std::string& loss, double lo, double hi) {
  leave_one_out_[loss] = {lo, hi};
}

void AlarmRule::add_null(const std::string& group, double cosine) {
  Proportion& null = null_[group];
  ++null.n;
  null.hits += cosine < -options_.delta;
}

void AlarmRule::restart() {
  for (auto& [key, cell] : cells_) {
    const AlarmLevel level = cell.level;
    cell = Cell{};
    cell.level = level;
  }
}

AlarmLevel AlarmRule::level(const std::string& group, const std::string& loss) const {
  const auto cell = cells_.find({group, loss});
  return cell == cells_.end() ? AlarmLevel::kNone : cell->second.level;
}

}  // namespace ktrain
