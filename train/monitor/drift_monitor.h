// Drift of a run's detector against a reference, measured while it trains: monitor.drift,
// monitor.drift_every, monitor.reference, monitor.anchors. It looks at the weights and at pairs of
// the validation list; training is the same to the bit with and without it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "train/monitor/drift_reference.h"
#include "train/run_setup.h"

namespace ktrain {

// Whether a plan asks for it: monitor.drift, and for "auto" whether a loss is on beside
// detection's own and monitor.profile is not "off".
[[nodiscard]] bool drift_wanted(const Plan& plan, const TrainingStep& training);

class DriftMonitor {
 public:
  // `setup` and `files` must outlive it; `folder` is the run's.
  DriftMonitor(RunSetup& setup, FileSystem& files, std::string folder);

  // Before the first step of a run: the weights as they are now, which `init` describes, become the
  // reference, or those of the file monitor.reference (Fault KT-CKPT-006 when they do not fit).
  void start(const std::string& init);
  // Of a run that goes on: the reference is what start() kept. Keys that have changed since hold
  // for a fresh run only; `notice` says so. Throws Fault KT-CKPT-003 when the file is damaged or of
  // other data. A run that began without, and for which monitor.reference is not set, has lost what
  // to compare with: false and a notice when monitor.drift is "auto", KT-CFG-008 when it is "on".
  [[nodiscard]] bool resume(const Notice& notice);

  // For the console: reference, anchors, what a measurement cost.
  [[nodiscard]] std::string text() const;
  // Whether something is due inside an epoch after so many steps.
  [[nodiscard]] bool due(std::int64_t step) const;
  // Lines of monitor.jsonl. Inside an epoch the layers alone; at its end everything, and embeddings
  // by the projections that the losses train, where there are any. `side` gives the numbers of the
  // hard negatives' queue, where there is one.
  struct SideNumbers {
    std::optional<double> fnr, qage;
  };
  // Reads them off what a step measured along the way; none where the step had nothing to measure.
  [[nodiscard]] static SideNumbers queue_numbers(const std::vector<SideNumber>& side);
  [[nodiscard]] std::vector<std::string> measure(std::int64_t step, std::int64_t epoch, Depth depth,
                                                 const SideNumbers& side = {});

 private:
  void set_anchors(PairIndex index);
  [[nodiscard]] std::string path() const;

  RunSetup& setup_;
  FileSystem& files_;
  std::string folder_;
  PairIndex anchors_;
  std::optional<Loader> loader_;
  DriftReference reference_;
  double seconds_ = 0;  // of the reference's measurement
};

}  // namespace ktrain
