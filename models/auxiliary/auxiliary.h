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

// A number that was measured along the way. It is read back from the device by whoever logs it and
// by nobody else; not while planning.
struct SideNumber {
  std::string name;  // macl_rel
  std::function<double()> read;
};

struct AuxiliaryResult {
  Tensor value;  // scalar of shape {1}, unweighted, with its history
  // int32, {1}: how many rows (regions, images) entered the value. A batch without any is legal and
  // worth 0; a run in which none ever come is stopped (train/connectivity.h).
  Tensor rows;
  std::vector<SideNumber> side;
  std::vector<Tensor> carry;  // without history: what after_step needs of this pass
};

struct NamedTensor {
  std::string name;
  Tensor tensor;  // shares memory with the term's own
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
  // term's own Fault.
  [[nodiscard]] std::vector<AuxiliaryResult> losses(const AuxiliaryInput& input) const;
  // `trained` as `losses` gave it for the pass that was trained on.
  void after_step(const DetectorInput& batch, const std::vector<AuxiliaryResult>& trained,
                  std::int64_t step);
  [[nodiscard]] std::vector<NamedTensor> state() const;
  // The heads of the term of that name; null where it has none, or is not there.
  [[nodiscard]] const PairEmbedding* embedding(std::string_view term) const;

 private:
  std::vector<std::unique_ptr<AuxiliaryTerm>> terms_;
};

}  // namespace ktrain
