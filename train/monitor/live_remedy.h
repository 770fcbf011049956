// A remedy at work in training: the gradients of the losses summed by other weights in each layer
// group, as train/monitor/remedy.h finds them from the step's own Grams.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/parameters.h"
#include "train/checkpoint_file.h"
#include "train/monitor/layer_groups.h"
#include "train/monitor/remedy.h"
#include "train/plan.h"

namespace ktrain {

// Throws Fault KT-CFG-008 when remedy.groups names what is no layer group of trained weights, nor
// what stands before a dot in one.
void check_remedy_groups(const RemedyPlan& plan, const LayerGroups& groups);

[[nodiscard]] RemedyOptions remedy_options(const RemedyPlan& plan, std::uint64_t seed);

class LiveRemedy {
 public:
  // `parameters` must outlive this object. pc_asym keeps a running mean of detection's gradient: as
  // much memory as the trained weights, accounted to the optimizer.
  LiveRemedy(const RemedyPlan& plan, std::uint64_t seed, const ParameterSet& parameters);

  // Whether it changes what is trained, in every step; else it only says what it would do.
  [[nodiscard]] bool live() const { return plan_.mode == "live"; }
  // The running mean of detection's gradient of one parameter; undefined when none is kept or
  // before the first step.
  [[nodiscard]] Tensor reference(std::size_t parameter) const;
  // Moves the running mean: r = beta r + (1 - beta) g, r = g in the first step.
  void move_reference(std::size_t parameter, const Tensor& detection);
  void end_step() { started_ = true; }
  [[nodiscard]] bool preconditioned() const { return plan_.metric == "preconditioned"; }
  [[nodiscard]] bool keeps_reference() const { return !references_.empty(); }

  [[nodiscard]] std::vector<GroupWeights> solve(
      const ProbeRecord& record, const std::map<std::string, Reference>& references) {
    return remedy_.solve(record, references);
  }
  // The line of monitor.jsonl: {"kind":"remedy",...}.
  [[nodiscard]] std::string line(const ProbeRecord& record,
                                 const std::vector<GroupWeights>& answers) const;

  [[nodiscard]] std::vector<NamedArray> state() const;
  [[nodiscard]] std::string state_text() const;
  // Exact, or a Fault: what is trained depends on it.
  void restore(const LoadedCheckpoint& from, const std::string& text);

 private:
  RemedyPlan plan_;
  Remedy remedy_;
  const ParameterSet& parameters_;
  std::vector<Tensor> references_;  // by parameter; undefined for what is not trained
  bool started_ = false;
};

}  // namespace ktrain
