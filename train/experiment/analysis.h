// The pre-registered analysis: from one measure per run to intervals, hypotheses and a verdict. A
// function of the design and the measures alone.
//
// Units are seeds: every number below is a mean over seeds of one number per run, with Student's t;
// comparisons are paired by seed. Intervals over layer groups hold simultaneously (Bonferroni);
// hypotheses are decided at `alpha` after Holm's correction.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "train/experiment/cells.h"
#include "train/experiment/inference.h"
#include "train/experiment/measure.h"
#include "train/experiment/runner.h"

namespace ktrain::experiment {

struct MeasuredRun {
  Cell cell;
  CellState state = CellState::kMissing;
  std::string failure;  // of a failed run
  RunMeasure measure;   // of a run that is done
};

struct ArmSummary {
  std::string quality, arm;
  std::int64_t planned = 0, done = 0, failed = 0;
  std::optional<MeanInterval> map;     // 1 - alpha, like the others
  std::optional<MeanInterval> change;  // of map, against the baseline of the same quality and seed
  std::optional<MeanInterval> tax, held_out;
  std::optional<MeanInterval> xcos;         // mean over the visible groups
  std::optional<MeanInterval> clip, drift;  // drift: minus the zero line's
  std::int64_t warned = 0, alarmed = 0;     // runs with a warning, with an alarm for the loss
  std::int64_t groups_off_zero = 0;         // simultaneous intervals of xcos that leave 0 out
  std::int64_t groups = 0;                  // that have an interval
};

struct GroupSummary {
  std::string group;
  bool visible = false;
  std::optional<MeanInterval> poor, good;  // xcos of the treatment, simultaneous intervals
  std::optional<MeanInterval> step;        // pcos of the treatment under poor, simultaneous
  std::optional<double> p;                 // of poor below -delta, one group alone
  std::optional<double> self;              // detection against itself: the null (C9)
  std::int64_t below_noise = 0;            // windows of the poor cell in which nothing can be said
};

struct Hypothesis {
  std::string id, sentence;
  double p = 1, adjusted = 1;  // 1 also where there is too little to compute one
  bool conditions = true;      // on point estimates, where the rule has some
  bool supported = false;
  std::vector<std::string> evidence;
};

struct Power {
  std::int64_t seeds = 0;                 // of the cells that the hypotheses compare
  std::optional<double> ap_sd, blind_sd;  // of paired differences; blind: without arm labels
  std::optional<double> ap_detectable;
  std::optional<double> cosine_sd;  // of the noisiest group
  std::optional<double> cosine_detectable;
  // To find a difference of rule.ap, and a cosine delta away from a bound in any group; nothing
  // beyond kMostSeeds.
  std::optional<std::int64_t> seeds_ap, seeds_cosine, seeds_blind;
};
inline constexpr std::int64_t kMostSeeds = 100000;

struct DoseResponse {
  std::string quality;
  std::optional<MeanInterval> on_dose;  // change of map per unit of weight: one slope per seed
  std::optional<MeanInterval> on_tax;   // per unit of tax, over all arms with a loss
};

enum class Verdict : std::uint8_t { kIncomplete, kConfirmed, kImmaterial, kRefuted, kInconclusive };
[[nodiscard]] std::string_view verdict_name(Verdict verdict);

struct Analysis {
  RunCount runs;
  std::vector<ArmSummary> arms;        // in the design's order, qualities of an arm together
  std::vector<GroupSummary> groups;    // in the design's order
  std::vector<Hypothesis> hypotheses;  // H1 .. H4
  std::optional<MeanInterval> ap_equivalence;  // 1 - 2 alpha: inside +-rule.ap is equivalent
  std::optional<double> ap_equivalence_p;
  bool cosines_inside = false;  // every group's interval within +-delta
  Power power;
  std::vector<DoseResponse> doses;
  Verdict verdict = Verdict::kIncomplete;
  std::string reason;  // in words, with the number of seeds that an answer would need
};

[[nodiscard]] Analysis analyse(const Design& design, const std::vector<MeasuredRun>& runs);

// Reads every cell's folder.
[[nodiscard]] std::vector<MeasuredRun> measure_cells(const Design& design,
                                                     const std::vector<Cell>& cells);

}  // namespace ktrain::experiment
