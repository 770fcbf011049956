// When the monitor speaks up: for every cell (layer group, auxiliary loss), is it sure that the
// auxiliary loss pulls against detection, and does it matter?
//
// The statistic of a cell is the preconditioned cosine c_t with detection at probe t (the raw one
// under SGD). Evidence is collected over a segment: an epoch, ended early when the loss' weight or
// the learning rate has changed by a factor of 2 since it began, when the weight becomes or leaves
// 0, or when restart() is called (another reference). A weight that moves by a schedule at every
// step would else never leave a segment alone.
//   1  n >= 20 probes, lag-1 correlation r1 <= .3; the deviation is inflated by
//      sqrt((1 + r1) / (1 - r1))
//   2  mean + hw(n) < -.02, with .05 shared among all cells (Bonferroni): valid at every n
//   3  material: the median tax of the last 20 probes >= .05, or detection's predicted change by
//   the
//      whole step > 0 in more than 20 % of the segment's probes
//   4  null check: conflicts (c < -.02) are more frequent than among cosines of two halves of a
//   batch
//      for detection alone (two proportions, 95 %)
// info: 2;  warn: 2 and 3;  alarm: 2, 3, 4 and either the leave-one-out interval above 0 or the
// upper limit of the cross-batch cosine below -.02. A level stays until it rises or is cleared:
// lower band > -.02, or tax < .02 in 20 probes in a row.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/monitor/probe_record.h"
#include "train/monitor/statistics.h"

namespace ktrain {

struct AlarmOptions {
  double delta = 0.02;       // cosines above -delta are no conflict
  double alpha = 0.05;       // of all cells together
  std::int64_t probes = 20;  // at least; also what "recent" means
  double r1 = 0.3;           // above it nothing is said
  double tax = 0.05;         // material from here
  double harmful = 0.2;      // material: share of probes in which the step is predicted to hurt
  double clear_tax = 0.02;
  double factor = 2;       // of a change of weight or learning rate that begins a new segment
  std::int64_t cells = 0;  // 0: as many as ever had a value
};

enum class AlarmLevel : std::uint8_t { kNone, kInfo, kWarn, kAlarm, kClear };
[[nodiscard]] std::string_view level_name(AlarmLevel level);  // "info", "warn", "alarm", "clear"

// One message: a change of a cell's level.
struct Alarm {
  std::int64_t step = 0, epoch = 0;
  AlarmLevel level = AlarmLevel::kNone;
  std::string group, loss;
  double mean = 0, lo = 0, hi = 0;  // of c in the segment, with the band that holds at every n
  std::int64_t n = 0;
  double r1 = 0;
  std::optional<double> tax;    // median of the last probes
  double lambda = 0;            // the loss' weight in force
  std::int64_t onset_step = 0;  // where the CUSUM places the beginning; 0 when it has not fired
  // "", "ordinary sampling conflict", "split-half null not measured", "step-level only
  // (shared-batch noise)"; two are joined by "; ".
  std::string label;
  std::string text;  // one paragraph for people
  bool operator==(const Alarm&) const = default;
};

// A line of monitor.jsonl: {"kind":"alarm","step",...,"level":"warn",...}.
[[nodiscard]] std::string to_json(const Alarm& alarm);
// Throws Fault KT-DATA-060 as probe_from_json does.
[[nodiscard]] Alarm alarm_from_json(std::string_view line, const std::string& file,
                                    std::int64_t line_number);

// Given the same calls it says the same, whether or not it was saved and restored between them.
class AlarmRule {
 public:
  explicit AlarmRule(const AlarmOptions& options = {}) : options_(options) {}

  // A probe, in step order. The changes of level that it brings.
  std::vector<Alarm> add(const ProbeRecord& record);

  // What is measured beside the probes and decides between warn and alarm with the next probe. The
  // latest value counts. Losses are auxiliary ones, against detection.
  void set_cross_batch(const std::string& group, const std::string& loss, double lo, double hi);
  void set_cross_batch_below_noise(const std::string& group, const std::string& loss);
  void set_leave_one_out(const std::string& loss, double lo,
                         double hi);  // change of held-out L_det
  // The cosine of detection's gradients of two halves of a batch: each is one value of the null.
  void add_null(const std::string& group, double cosine);

  // Begins new segments everywhere, as after a change of the reference. Levels stay.
  void restart();

  // The level of a cell; kNone when nothing was said or it was cleared.
  [[nodiscard]] AlarmLevel level(const std::string& group, const std::string& loss) const;

  // Everything as JSON, for checkpoints. restore() throws Fault KT-DATA-060 when it is damaged.
  [[nodiscard]] std::string state() const;
  void restore(std::string_view state);

 private:
  using Key = std::pair<std::string, std::string>;  // group, loss

  struct Cell {
    SeriesMoments cosines;
    std::int64_t conflicts = 0;           // c < -delta
    std::int64_t harmful = 0, steps = 0;  // probes in which the whole step was predicted to hurt
    std::deque<double> taxes;             // the last ones
    std::int64_t low_tax = 0;             // in a row
    Cusum cusum;
    std::vector<std::pair<std::int64_t, double>> early;  // step, c: until there is a deviation
    std::int64_t first_step = 0, epoch = 0;
    double weight = 0, learning_rate = 0;  // when the segment began
    AlarmLevel level = AlarmLevel::kNone;
  };
  struct CrossBatch {
    bool below_noise = false;
    double lo = 0, hi = 0;
  };
  // What the four parts of the rule come to, and what was found on the way.
  struct Judgement {
    double half_width = 0;
    std::optional<double> tax;
    bool spoken = false;  // 1: enough probes, not too correlated
    bool conflict = false, material = false, beyond_null = false, shown_twice = false;
    bool clear = false;
    std::string label;
  };

  [[nodiscard]] bool new_segment(const Cell& cell, const ProbeRecord& summed, std::size_t j) const;
  [[nodiscard]] bool new_dose(const Cell& cell, const ProbeRecord& summed, std::size_t j) const;
  void collect(Cell& cell, const ProbeRecord& summed, double cosine, double tax) const;
  [[nodiscard]] Judgement judge(const Key& key, const Cell& cell) const;
  [[nodiscard]] Alarm message(const Key& key, const Cell& cell, const Judgement& judgement,
                              const ProbeRecord& summed, std::size_t j) const;

  AlarmOptions options_;
  std::map<Key, Cell> cells_;
  std::map<Key, CrossBatch> cross_batch_;
  std::map<std::string, std::pair<double, double>> leave_one_out_;
  std::map<std::string, Proportion> null_;
};

// Sentences must not claim more than was shown: true when a text holds "prove", "cause" and their
// like.
[[nodiscard]] bool overclaims(std::string_view text);

}  // namespace ktrain
