// Losses beside the detector's own, on the features of both streams before they are fused.
//
// A term is asked for its value once or more in a step (a probe, an audit), always on the same
// weights: `loss` is const and changes nothing. What moves with training, such as queues, momentum
// encoders and clamped scales, moves in `after_step` alone, which is called once, after the
// optimizer's update, with the result that was trained on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/detector.h"

namespace ktrain {

// What a term may look at.
struct AuxiliaryInput {
  const DetectorInput& batch;
  const DetectorLosses& detection;  // pyramids, proposals, the regions that were sampled
  std::int64_t step = 0;            // from 0
  double epoch = 0;                 // the same position in epochs
};

// What a pass measured, as it was read back from the device.
struct Measured {
  double value = 0, rows = 0;   // AuxiliaryResult has these
  std::vector<float> elements;  // of AuxiliaryResult::measured, one tensor after the other
};

// A number that is made of that. The same in every step: a step that is replayed from a graph makes
// none of its own.
struct SideFormula {
  std::string name;  // macl_rel
  std::function<double(const Measured&)> of;
};

// A number that was measured along the way, for whoever logs it; not while planning.
struct SideNumber {
  std::string name;
  std::function<double()> read;
};

struct AuxiliaryResult {
  Tensor value;  // scalar of shape {1}, unweighted, with its history
  // int32, {1}: how many rows (regions, images) entered the value. A batch without any is legal and
  // worth 0; a run in which none ever come is stopped (train/connectivity.h).
  Tensor rows;
  // float, without history; kMostMeasured elements together at most.
  std::vector<Tensor> measured = {};
  std::vector<SideFormula> side = {};
  std::vector<Tensor> carry = {};  // without history: what after_step needs of this pass
};

constexpr std::int64_t kMostMeasured = 16;

// Read back from the device when they are asked for, no earlier.
[[nodiscard]] std::vector<SideNumber> side_numbers(const AuxiliaryResult& result);
// Of what has been read back.
[[nodiscard]] std::vector<SideNumber> side_numbers(const std::vector<SideFormula>& formulas,
                                                   const Measured& measured);

struct NamedTensor {
  std::string name;
  Tensor tensor;  // shares memory with the term's own
};

// Numbers in memory that are others in every step.
struct ChangingNumbers {
  Tensor memory;
  std::function<std::vector<float>(double epoch)> at;  // as AuxiliaryInput::epoch
};

class PairEmbedding;  // models/auxiliary/pair_embedding.h

class AuxiliaryTerm {
 public:
  virtual ~AuxiliaryTerm() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;  // macl, dhn, domain
  [[nodiscard]] virtual AuxiliaryResult loss(const AuxiliaryInput& input) const = 0;
  // `step` counts from 0 and is the one that `trained` comes from. Must work while planning: ops
  // only, no reads, and no counting on the host.
  virtual void after_step(const DetectorInput& batch, const AuxiliaryResult& trained,
                          std::int64_t step) {
    (void)batch, (void)trained, (void)step;
  }
  // What `loss` reads besides its input. On the CPU it writes them itself; on a GPU, where it may
  // be replayed, whoever runs the step has written them before (runtime/staging.h).
  [[nodiscard]] virtual std::vector<ChangingNumbers> changing() const { return {}; }
  // What is neither a weight nor a function of the step: queues, encoders. Saved in checkpoints
  // under "auxiliary.<term>.<name>" and written to when a run goes on.
  [[nodiscard]] virtual std::vector<NamedTensor> state() const { return {}; }
  // The projections of both streams that the value is computed from; nullptr for a term without.
  [[nodiscard]] virtual const PairEmbedding* embedding() const { return nullptr; }
};

// Projections, and the term that trains them.
struct NamedEmbedding {
  std::string term;  // macl, dhn
  const PairEmbedding* embedding = nullptr;
};

// The terms that a plan has switched on. Parameters stand under "aux.<term>." in the same set as
// the detector's; without a term there is nothing of this here.
class AuxiliaryLosses {
 public:
  AuxiliaryLosses() = default;
  // In the order in which they are reported. Throws Error for two of one name.
  explicit AuxiliaryLosses(std::vector<std::unique_ptr<AuxiliaryTerm>> terms);

  [[nodiscard]] bool empty() const { return terms_.empty(); }
  [[nodiscard]] std::vector<std::string> names() const;

  // One result per term. What a term throws leaves as a Fault that names it: KT-BUG-004, or the
  // term's own Fault; a GPU that has stopped (DeviceLost) and a lack of memory as they are.
  [[nodiscard]] std::vector<AuxiliaryResult> losses(const AuxiliaryInput& input) const;
  // `trained` as `losses` gave it for the pass that was trained on.
  void after_step(const DetectorInput& batch, const std::vector<AuxiliaryResult>& trained,
                  std::int64_t step);
  // Of all terms.
  [[nodiscard]] std::vector<ChangingNumbers> changing() const;
  [[nodiscard]] std::vector<NamedTensor> state() const;
  // The heads of the term of that name; null where it has none, or is not there.
  [[nodiscard]] const PairEmbedding* embedding(std::string_view term) const;

 private:
  std::vector<std::unique_ptr<AuxiliaryTerm>> terms_;
};

}  // namespace ktrain
