// A design of a few arms, and measures of runs drawn from known effects.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "kernels/random.h"
#include "train/experiment/analysis.h"

namespace ktrain::test {

// Seven arms; `seeds` seeds.
inline std::string experiment_text(std::int64_t seeds, const std::string& warm = "warm.cfg",
                                   const std::string& arm = "arm.cfg") {
  std::string list;
  for (std::int64_t seed = 1; seed <= seeds; ++seed)
    list += (seed > 1 ? ", " : "") + std::to_string(seed);
  return "name = \"trial\"\ntitle = \"A trial\"\ndeviations = [\"it is small\"]\n[runs]\nwarm = "
         "\"" +
         warm + "\"\narm = \"" + arm + "\"\nseeds = [" + list + "]\n" + R"(from_step = 1
groups = ["visible.layer1", "visible.layer2", "thermal.layer1", "thermal.layer2"]
[roles]
poor = "q3"
good = "q0"
baseline = "lambda_0"
treatment = "lambda_0.05"
remedy = "pc_asym"
zero_line = "measured"
[rule]
delta = 0.02
[[quality]]
name = "q0"
set = ["data.flip=0.5"]
[[quality]]
name = "q3"
set = ["data.flip=0.25"]
[[arm]]
name = "lambda_0"
loss = ""
dose = 0.0
[[arm]]
name = "lambda_0.05"
dose = 0.05
set = ["optimizer.lr=2e-3"]
[[arm]]
name = "lambda_2"
dose = 2.0
set = ["optimizer.lr=3e-3"]
[[arm]]
name = "pc_asym"
qualities = ["q3"]
[[arm]]
name = "measured"
[[arm]]
name = "negative"
qualities = ["q3"]
expect = "alarm"
[[arm]]
name = "copy"
qualities = ["q3"]
expect = "no alarm"
)";
}

// What is true of the runs that are drawn; a seed's AP and cosine deviate by the sds.
struct TrueEffects {
  double cosine_poor = 0, cosine_good = 0;  // in every visible group; elsewhere 0
  double tax = 0, held_out = 0;
  double change_poor = 0, change_good = 0;  // of AP by the treatment
  double recovered = 1;                     // share that the remedy wins back
  double cosine_sd = 0.02, ap_sd = 0.004;   // of one run
  double seed_sd = 0.02;                    // of AP, common to all arms of a seed
};

// N(0, 1), the `index`th of an experiment.
inline double experiment_noise(std::uint32_t experiment, std::uint32_t index) {
  const NormalPair pair = normal_pair(random_words({17, 901, 0}, experiment, index / 2));
  return index % 2 == 0 ? pair.first : pair.second;
}

inline std::vector<experiment::MeasuredRun> draw_runs(const experiment::Design& design,
                                                      const TrueEffects& effects,
                                                      std::uint32_t number) {
  std::uint32_t at = 0;
  const auto noise = [&] { return experiment_noise(number, at++); };
  std::vector<experiment::MeasuredRun> runs;
  double seed_effect = 0;
  for (const experiment::Cell& cell : experiment::cells_of(design, "runs")) {
    experiment::MeasuredRun run;
    run.cell = cell;
    run.state = experiment::CellState::kDone;
    if (cell.warm()) seed_effect = effects.seed_sd * noise();
    const bool poor = cell.quality == "q3", treated = cell.arm == "lambda_0.05";
    const double change = poor ? effects.change_poor : effects.change_good;
    double map = 0.6 + seed_effect + effects.ap_sd * noise();
    if (treated) map += change;
    if (cell.arm == "pc_asym") map += change * (1 - effects.recovered);
    run.measure.map = map;
    run.measure.fingerprint = "val/pairs 240";
    if (treated) {
      for (const std::string& group : design.groups)
        run.measure.xcos[group] =
            effects.cosine_sd * noise() +
            (group.starts_with("visible") ? poor ? effects.cosine_poor : effects.cosine_good : 0);
      run.measure.tax = effects.tax + 0.01 * noise();
      run.measure.held_out = effects.held_out + 1e-4 * noise();
    }
    if (cell.arm == "negative") run.measure.alarms = 1;
    runs.push_back(run);
  }
  return runs;
}

}  // namespace ktrain::test
