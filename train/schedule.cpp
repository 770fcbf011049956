#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/check.h"
#include "train/alignment_plan.h"
#include "train/auxiliary_plan.h"

namespace ktrain {
namespace {

double warmup_factor(const SchedulePlan& plan, std::int64_t step) {
  const std::int64_t last = plan.warmup_steps - 1;
  if (step >= last) return 1.0;
  const double way = static_cast<double>(step) / static_cast<double>(last);
  return plan.warmup_factor + (1.0 - plan.warmup_factor) * way;
}

double cosine(const SchedulePlan& plan, double lr, std::int64_t unit, std::int64_t units) {
  const std::int64_t end = plan.end > 0 ? plan.end : units;
  const std::int64_t length = std::max<std::int64_t>(end - plan.begin, 1);
  const std::int64_t at = std::clamp<std::int64_t>(unit - plan.begin, 0, length - 1);
  const double angle = std::numbers::pi * static_cast<double>(at) / static_cast<double>(length);
  return plan.min_lr + (lr - plan.min_lr) * (1.0 + std::cos(angle)) / 2.0;
}

double multistep(const SchedulePlan& plan, double lr, std::int64_t unit) {
  for (const std::int64_t milestone : plan.milestones)
    if (milestone <= unit) lr *= plan.gamma;
  return lr;
}

// How far along a ramp the value is when `way` of its length is done.
double shaped(const std::string& shape, double way) {
  if (shape == "cosine") return (1.0 - std::cos(std::numbers::pi * way)) / 2.0;
  if (shape == "grl") return 2.0 / (1.0 + std::exp(-10.0 * way)) - 1.0;
  return way;
}

bool moves(const WeightSchedule& schedule) {
  return std::adjacent_find(schedule.value.begin(), schedule.value.end(), std::not_equal_to<>{}) !=
         schedule.value.end();
}

// About `count` samples over the whole run, its first and last step among them.
template <class F>
std::vector<double> sampled(const Timeline& timeline, int count, F&& f) {
  std::vector<double> out;
  const std::int64_t last = timeline.steps() - 1;
  for (int i = 0; i < count; ++i) out.push_back(f(last * i / std::max(count - 1, 1)));
  return out;
}

}  // namespace

double learning_rate(const SchedulePlan& plan, const Timeline& timeline, double lr,
                     std::int64_t step) {
  const bool by_epoch = plan.unit == "epoch";
  const std::int64_t unit = by_epoch ? timeline.epoch_of(step) : step;
  const std::int64_t units = by_epoch ? timeline.epochs : timeline.steps();
  if (plan.kind == "cosine") lr = cosine(plan, lr, unit, units);
  if (plan.kind == "multistep") lr = multistep(plan, lr, unit);
  return lr * warmup_factor(plan, step);
}

double weight_at(const WeightSchedule& schedule, const Timeline& timeline, std::int64_t step) {
  const auto& at = schedule.at;
  const auto& value = schedule.value;
  KT_CHECK(!value.empty() && (at.empty() || at.size() == value.size()),
           "weight_at: {} positions, {} values", at.size(), value.size());
  double position = static_cast<double>(step);
  if (schedule.unit == "epoch") position /= static_cast<double>(timeline.steps_per_epoch);
  const auto next =
      static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), position) - at.begin());
  if (next == 0) return value.front();
  if (next == at.size()) return value.back();
  const double way = (position - at[next - 1]) / (at[next] - at[next - 1]);
  return value[next - 1] + (value[next] - value[next - 1]) * shaped(schedule.shape, way);
}

std::string draw_curve(const std::vector<double>& values, int rows, int columns) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (least == values.end()) return "";
  std::vector<std::string> lines(static_cast<std::size_t>(rows),
                                 std::string(static_cast<std::size_t>(columns), ' '));
  for (int column = 0; column < columns; ++column) {
    const auto index =
        values.size() * static_cast<std::size_t>(column) / static_cast<std::size_t>(columns);
    const double way = *most > *least ? (values[index] - *least) / (*most - *least) : 1.0;
    const auto row = static_cast<std::size_t>(std::lround((1.0 - way) * (rows - 1)));
    lines[row][static_cast<std::size_t>(column)] = '*';
  }
  std::string out;
  for (std::size_t row = 0; row < lines.size(); ++row) {
    const std::string label = row == 0                  ? fmt::format("{:.3g}", *most)
                              : row + 1 == lines.size() ? fmt::format("{:.3g}", *least)
                                                        : "";
    lines[row].erase(lines[row].find_last_not_of(' ') + 1);
    out += fmt::format("{:>10} |{}\n", label, lines[row]);
  }
  return out;
}

std::string schedules_text(const Plan& plan, const Timeline& timeline) {
  constexpr int kRows = 8, kColumns = 64;
  const auto rate = [&](std::int64_t step) {
    return learning_rate(plan.schedule, timeline, plan.optimizer.lr, step);
  };
  std::string out = fmt::format("learning rate   {} epochs of {} steps, first step {:.3g}\n",
                                timeline.epochs, timeline.steps_per_epoch, rate(0));
  for (std::int64_t epoch = 0; epoch < timeline.epochs && epoch < 30; ++epoch)
    out += fmt::format("  epoch {:<4} {:.3g}\n", epoch + 1,
                       rate((epoch + 1) * timeline.steps_per_epoch - 1));
  if (timeline.epochs > 30) out += "  ...\n";
  out += draw_curve(sampled(timeline, kColumns, rate), kRows, kColumns);
  std::vector<std::pair<std::string, const WeightSchedule*>> terms = {
      {"rpn_cls", &plan.loss.rpn_cls.weight},
      {"rpn_bbox", &plan.loss.rpn_bbox.weight},
      {"roi_cls", &plan.loss.roi_cls.weight},
      {"roi_bbox", &plan.loss.roi_bbox.weight}};
  for (const auto& [name, term] : enabled_auxiliary(plan.loss))
    terms.emplace_back(name, &term->weight);
  for (const auto& [name, schedule] : terms) {
    if (!moves(*schedule)) {
      out += fmt::format("weight of {:<9} {:.4g}\n", name, schedule->value.front());
      continue;
    }
    out += fmt::format("weight of {}\n", name);
    const WeightSchedule& term = *schedule;
    const auto weight = [&](std::int64_t step) { return weight_at(term, timeline, step); };
    out += draw_curve(sampled(timeline, kColumns, weight), kRows, kColumns);
  }
  if (const std::string_view notice = weights_notice(plan.compat); !notice.empty())
    out += fmt::format("NOT AS ABOVE    {}\n", notice);
  return out;
}

}  // namespace ktrain
