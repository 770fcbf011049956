// The conflict monitor of one run: which steps are probed, what a probe leaves, what is said about
// it. Lives in the training step; training computes the same bits with it and without.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "train/checkpoint_file.h"
#include "train/monitor/alarm.h"
#include "train/monitor/channels.h"
#include "train/monitor/leave_one_out.h"
#include "train/monitor/probe.h"
#include "train/monitor/probe_schedule.h"
#include "train/schedule.h"

namespace ktrain {

// What a step leaves for the run folder and the console.
struct MonitorOutput {
  std::vector<std::string> lines;  // of monitor.jsonl
  std::vector<std::string> texts;  // for people: alarms, what the monitor does with its budget
};

class Monitor {
 public:
  // `names` are the objective's terms, detection's `num_detection` first. `parameters` and
  // `optimizer` must outlive the monitor. `clock` gives seconds.
  Monitor(const Plan& plan, const ContextPtr& context, const ParameterSet& parameters,
          const Optimizer& optimizer, const std::vector<std::string>& names,
          std::size_t num_detection, std::function<double()> clock = {});

  // Whether there is anything to measure: a profile, and two losses to compare.
  [[nodiscard]] bool active() const { return active_; }
  // One line that says what is measured, or why nothing is; a second one where epochs are so short
  // that the alarm rule cannot speak.
  [[nodiscard]] std::string heading(const Timeline& timeline) const;

  // Begins step `step`, counted from 0; whether it is probed.
  [[nodiscard]] bool begin_step(std::int64_t step, const Timeline& timeline);
  // Whether a step with probe() leaves a record; else it is one of a live remedy.
  [[nodiscard]] bool records() const { return recorded_ && probing_; }

  // What may come to a probe beside its walk, and what a probe asks for by itself. While planning
  // steps are probed as this says; at first as the probe that takes most of a CPU.
  struct Extras {
    bool recorded = true, half = true, channels = false, real = false, leave_one_out = true;
  };
  void plan_for(const Extras& extras) { planned_ = extras; }
  // All that probes of this plan may be, for whoever plans the memory of each, the one with most
  // last; none when nothing is measured.
  [[nodiscard]] std::vector<Extras> possible_probes() const;

  // In place of `backward` in a step that is probed. `term_values` unweighted; empty: as the walk
  // finds them.
  [[nodiscard]] std::vector<Tensor> walk(const std::vector<LossTerm>& terms, const Tensor& total,
                                         std::vector<WatchedFeature> features,
                                         const std::vector<double>& term_values = {});
  // For the optimizer's step after `walk`; `gradients` as it returned them.
  [[nodiscard]] Optimizer::Observer observer(const std::vector<Tensor>& gradients);

  // Whether this probe asks for the terms' values on the same batch with the weights after the
  // step.
  [[nodiscard]] bool wants_real() const;
  void set_real(std::vector<double> term_values) { after_ = std::move(term_values); }

  // Whether this probe asks what each auxiliary loss does to detection on other images: the change
  // of held-out detection loss by the step as taken, less that by the step without the loss. Not
  // under a live remedy, where a step without a loss is another one.
  [[nodiscard]] bool wants_leave_one_out() const;
  // While planning: whether any probe will ask that.
  [[nodiscard]] bool plans_leave_one_out() const;
  // Auxiliary losses on the axis, as places there, that have a weight in this step; while planning
  // the first one, whatever its weight: one is looked at after the other.
  [[nodiscard]] std::vector<std::size_t> weighted_losses() const;
  // Between walk and end_step of a step that has one: nullptr where detection has no weight.
  [[nodiscard]] Probe* probe() { return probe_.get(); }
  // One that is not finite is left out, with a notice.
  void set_leave_one_out(std::size_t loss, double change);

  // After a step's update, probed or not; `term_values` as for walk. `seconds` is what the step
  // took, where the host does not know by itself; a plain step may also tell it later.
  MonitorOutput end_step(std::int64_t step, const Timeline& timeline, double learning_rate,
                         const std::vector<double>& term_values,
                         std::optional<double> seconds = {});
  void plain_step_took(double seconds);

  // What was measured and found so far, in a few sentences; "" when nothing was to be measured.
  [[nodiscard]] std::string summary() const;

  // For checkpoints: arrays, and the rest as text, under the metadata's key "monitor".
  [[nodiscard]] std::vector<NamedArray> state() const;
  [[nodiscard]] std::string state_text() const;
  // The reverse. A run that goes on under other monitor.* keys begins its windows anew: then the
  // line to say so, "" otherwise. Throws Fault KT-CKPT-003 for a state that is damaged.
  std::string restore(const LoadedCheckpoint& from);

 private:
  struct SecondMoments {
    double detection = 0, total = 0;  // decaying means of squared norms
  };

  // Leave-one-out in this probe, whatever it costs; and whether the budget holds it.
  [[nodiscard]] bool asks_leave_one_out() const;
  [[nodiscard]] bool affords_leave_one_out() const;
  void put_off();
  void solve_remedy(const std::vector<double>& term_values, std::vector<Tensor>& gradients);
  void begin_sketches();  // of a probe that is walked
  void add_second_moments(ProbeRecord& record);
  void add_null();
  void add_leave_one_out(const ProbeRecord& record, MonitorOutput& out);
  void add_squares(const ProbeRecord& record);
  void add_window(const ProbeRecord& record, MonitorOutput& out);
  void add_alarms(const ProbeRecord& record, MonitorOutput& out);
  void add_channels(const ProbeRecord& record, MonitorOutput& out);
  void leave_out_non_finite(ProbeRecord& record);
  // For people, once per kind.
  void notice(const std::string& kind, const std::string& text);
  // The axis of every step but for weights.
  [[nodiscard]] ProbeAxis plan_axis() const;
  [[nodiscard]] std::string few_probes(const Timeline& timeline) const;
  [[nodiscard]] std::string key_text() const;
  std::string read_state(const LoadedCheckpoint& from);

  MonitorPlan plan_;
  double clip_;
  std::int64_t steps_limit_;
  ContextPtr context_;
  const ParameterSet& parameters_;
  const Optimizer& optimizer_;
  std::vector<std::string> names_;
  std::size_t num_detection_;
  std::function<double()> clock_;
  bool active_ = false;
  LayerGroups groups_;
  std::optional<SketchBlocks> sketches_;
  std::optional<ProbeSchedule> schedule_;
  std::optional<LiveRemedy> remedy_;
  std::string pending_;  // the schedule's state from before there was one
  AlarmRule alarms_;
  std::map<std::string, SecondMoments> moments_;
  // By group: ||g_k||^2 of the probes in the window, and detection's last split-half cosine.
  std::map<std::string, std::deque<std::vector<double>>> squares_;
  std::map<std::string, double> self_;
  LeaveOneOut left_out_;
  bool leave_out_next_ = false;               // an alarm asks for it
  std::map<std::string, std::int64_t> said_;  // alarms by level
  std::string last_alarm_;
  std::int64_t segment_epoch_ = -1, epoch_ = 0;  // of the windows; of this step
  std::int64_t counted_epoch_ = 0, epoch_probes_ = 0, most_probes_ = 0;
  Extras planned_;
  std::string reversed_;  // the term whose gradient the trunk gets reversed
  // Group and loss of alarms, whose channels the next probe tells.
  std::set<std::pair<std::string, std::string>> channels_;
  std::set<std::string> told_;        // kinds of notices
  std::vector<std::string> notices_;  // not said yet
  // Of the step that is under way.
  double begin_ = 0;
  std::int64_t step_ = 0;
  bool probing_ = false, recorded_ = false;  // walked in one go; a record is made
  std::vector<GroupWeights> answers_;        // of the remedy
  std::unique_ptr<Probe> probe_;
  std::map<std::size_t, double> changes_;  // leave-one-out, by place on the axis
  std::vector<double> after_;  // values of the terms after the update; empty when not asked for
};

}  // namespace ktrain
