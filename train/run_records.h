// The lines that a run writes while it trains: on the console, in train.log, scalars.jsonl,
// results.csv and STATUS.
#pragma once

#include <map>
#include <string>

#include "train/console.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/training_step.h"
#include "train/validation.h"

namespace ktrain {

// Means over the steps since the last line, and the clock.
class RunRecords {
 public:
  RunRecords(RunFolder& folder, Console& console, const Plan& plan, const Timeline& timeline,
             std::int64_t total_steps, const std::vector<std::string>& loss_names);

  // Shown and logged.
  void text(const std::string& text);
  void result(const std::string& text);

  // After each step; `progress.step` counts it. `data_seconds` is the loader's clock.
  void step(const Progress& progress, const StepReport& report, double data_seconds);
  void validation(const Progress& progress, const Validation& v, const StopVerdict& verdict,
                  double seconds);
  // state: "running", "validating", "done", "stopped early", "preempted", "interrupted", "failed".
  void status(const std::string& state, const Progress& progress, const EarlyStop& stop,
              const std::string& message);

  // For programs: how the run ended, as the last record of --json.
  void end(const std::string& state, const Progress& progress, const EarlyStop& stop);

  // Seconds of training, validations and saves left out, since this process began; for the report.
  [[nodiscard]] double train_seconds() const { return train_seconds_; }
  [[nodiscard]] double data_seconds() const { return data_seconds_; }
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  // The clock of the next step starts now: what passed was no training.
  void restart_clock();

 private:
  void log_window(const Progress& progress, const StepReport& report);

  RunFolder& folder_;
  Console& console_;
  const Plan& plan_;
  Timeline timeline_;
  std::int64_t total_steps_;
  std::vector<std::string> loss_names_;

  struct Window {
    std::int64_t steps = 0;
    double seconds = 0, data_seconds = 0, total = 0, norm = 0, clip = 0;
    std::vector<double> terms;
    std::map<std::string, std::int64_t> without_rows;  // by term: steps that met no pair
  } window_;
  double clock_ = 0, loader_clock_ = 0;
  double train_seconds_ = 0, data_seconds_ = 0;
  std::int64_t steps_ = 0;
};

}  // namespace ktrain
