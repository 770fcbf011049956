// Steps of a tiny run with the monitor, in memory: what was trained, and every line of the monitor.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_run.h"
#include "train/load_weights.h"
#include "train/monitor/probe_json.h"
#include "train/run_setup.h"
#include "train/run_state.h"
#include "train/tensor_arrays.h"

namespace ktrain::test {

inline std::vector<std::string> with(std::vector<std::string> overrides,
                                     const std::vector<std::string>& more) {
  overrides.insert(overrides.end(), more.begin(), more.end());
  return overrides;
}

inline const std::vector<std::string> kEveryStep = {
    "threads=1",          "monitor.interval=1",     "monitor.burst=0", "monitor.budget_pct=10000",
    "monitor.sketch=256", "loss.planted.weight=0.3"};

struct Steps {
  std::vector<ProbeRecord> probes;
  std::vector<std::string> windows;  // all other lines
  std::string losses;                // of every step, all digits

  // Of the other lines, those of one kind.
  [[nodiscard]] std::vector<std::string> of_kind(const std::string& kind) const {
    std::vector<std::string> lines;
    for (const std::string& line : windows)
      if (line.find("\"kind\":\"" + kind + "\"") != std::string::npos) lines.push_back(line);
    return lines;
  }
};

inline Steps take(RunSetup& setup, std::int64_t from, std::int64_t to) {
  Steps steps;
  for (std::int64_t step = from; step < to; ++step) {
    const StepReport report = setup.train_step(step);
    for (const double value : report.values.terms) steps.losses += fmt::format("{:a} ", value);
    steps.losses += fmt::format("{:a}\n", report.gradient_norm);
    for (const std::string& line : report.monitor.lines) {
      if (line.find("\"kind\":\"probe\"") == std::string::npos) {
        steps.windows.push_back(line);
        continue;
      }
      steps.probes.push_back(probe_from_json(line, "memory", step));
      steps.probes.back().seconds = 0;  // the only number that is no function of the plan
    }
  }
  return steps;
}

// A run from its beginning; `weights`, when given, gets those it ends with.
inline Steps train(const TinyRun& tiny, const std::vector<std::string>& overrides,
                   std::int64_t steps, std::vector<std::vector<std::byte>>* weights = nullptr) {
  RunSetup setup(load_plan(tiny.plan(), overrides), [](const std::string&) {});
  Steps taken = take(setup, 0, steps);
  if (weights)
    for (const NamedArray& array : parameter_arrays(setup.training().parameters()))
      weights->emplace_back(array.bytes.begin(), array.bytes.end());
  return taken;
}

// What a run that ends here would save and another one begins with: weights, optimizer, monitor.
inline void save_state(const RunSetup& setup, const std::string& path) {
  Metadata metadata;
  metadata["monitor"] = setup.training().monitor().state_text();
  (void)write_checkpoint_file(real_file_system(), path, state_arrays(setup.training()), metadata);
}

inline void restore_state(RunSetup& setup, const std::string& path, std::int64_t step) {
  const LoadedCheckpoint from = read_checkpoint_file(real_file_system(), path);
  (void)load_weights(from, setup.training().parameters(), LoadOptions{});
  setup.training().optimizer().restore(from);
  EXPECT_EQ(setup.training().monitor().restore(from), "");
  setup.seek(step);
}

// Cosine of losses 0 and 1.
inline double cosine(const Gram& gram) { return gram(0, 1) / std::sqrt(gram(0, 0) * gram(1, 1)); }

}  // namespace ktrain::test
