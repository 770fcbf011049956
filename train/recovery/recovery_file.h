// A recovery as data: plans, what counts as success, the tree of what to do next, hypotheses.
// docs/recovery.md describes the file. It is TOML, read as strictly as a plan: an unknown key, a
// wrong type, a node that does not exist is a Fault KT-CFG-* with file:line:column, found, wanted
// and the nearest name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ktrain {

// One plan of the tree. Its run folder is the plan's own, so that runs are shared with `ktrain
// FILE`, unless `set` or `start` make it a plan of its own: then it is <recovery folder>/<name>.
struct RecoveryPlan {
  std::string name = {}, place = {};
  std::string file = {};         // from the working folder
  std::string start = {};        // a mark whose checkpoint the weights start from; "": as the plan
  std::vector<std::string> set;  // key=value in place of the plan's own
  std::string after = {};        // the plan that its init.plan names; known once plans are loaded
};

// What a run reaches. All of it must hold, in one validation: the best by the recovery's metric.
struct RecoveryLevel {
  std::string name = {}, place = {};
  std::vector<std::pair<std::string, double>> bounds =
      {};                               // metric; at least, or at most for misses
  bool trend = false;                   // stable or rising
  std::optional<bool> early_stop = {};  // whether early stop ended the run
};

struct RecoveryRule {
  std::string of = {}, reaches = {};  // a run or sweep that came before, a level
  std::string go = {}, say = {}, place = {};
};

// Evaluates checkpoints of `of`, epochs first to last, on the validation list of `on`.
struct RecoverySweep {
  std::string of = {}, on = {};
  std::int64_t first = 1, last = 1;
};

// Links the best checkpoint of the best of `from` to <recovery folder>/<as>.safetensors.
struct RecoveryMark {
  std::vector<std::string> from = {};
  std::string as = {};
};

struct RecoveryNode {
  std::string name = {}, place = {}, say = {};
  // At most one of these; a node without any only decides.
  std::string run = {};  // a plan, to its end
  std::optional<RecoverySweep> sweep = {};
  std::optional<RecoveryMark> mark = {};
  std::vector<std::string> compare = {};  // two runs
  std::string end = {};                   // what the recovery came to
  // The first rule that holds says where to go; `go` when none does.
  std::vector<RecoveryRule> when = {};
  std::string go = {};
};

// A claim, and the measurement that decides it. Fields beyond `measure` by measure:
//   conflict     runs, loss, delta, share, windows
//   interaction  poor, good (each [with, without]), loss, factor, margin
//   positives    runs, least, most_empty
struct RecoveryHypothesis {
  std::string name = {}, place = {}, text = {}, measure = {};
  // Whether runs that it looks at and that the way taken has left out are carried out at the end.
  bool collect = false;
  std::vector<std::string> runs = {}, poor = {}, good = {};
  std::string loss = {}, factor = {};
  double delta = 0.02, share = 0.5, margin = 0.0, least = 0.0, most_empty = 0.0;
  std::int64_t windows = 3;

  // The plans that it looks at, each once.
  [[nodiscard]] std::vector<std::string> plans() const;
};

struct Recovery {
  std::string file, name;  // as given; without .cfg, with the folders below configs/
  std::string title, metric, start;
  // A trend is stable or rising when there are at least `trend_least` validations and the last is
  // no more than `trend_tolerance` worse than the best.
  double trend_tolerance = 0.01;
  std::int64_t trend_least = 3;
  std::vector<RecoveryPlan> plans;
  std::vector<RecoveryLevel> levels;
  std::vector<RecoveryNode> nodes;  // in the order in which they are met from the start
  std::vector<RecoveryHypothesis> hypotheses;

  [[nodiscard]] const RecoveryPlan& plan(std::string_view name) const;
  [[nodiscard]] const RecoveryLevel& level(std::string_view name) const;
  [[nodiscard]] const RecoveryNode& node(std::string_view name) const;
};

[[nodiscard]] Recovery load_recovery(const std::string& file);
[[nodiscard]] Recovery parse_recovery(std::string_view text, const std::string& file);

// Whether a TOML text is of a recovery: its first table is [recovery].
[[nodiscard]] bool is_recovery_text(std::string_view text);

}  // namespace ktrain
