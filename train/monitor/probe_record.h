// What one probe of the conflict monitor measured, and its line in monitor.jsonl.
//
// Everything that is said about a probe (norms, cosines, shares, tax, effects, what a remedy would
// have done) is a function of these numbers: of the dot products of per-loss gradients by layer
// group, not of the gradients, which are gone when the step ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ktrain {

// The upper triangle, row by row, of a symmetric K x K matrix.
class Gram {
 public:
  Gram() = default;
  explicit Gram(std::size_t size) : size_(size), values_(size * (size + 1) / 2, 0.0) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] double operator()(std::size_t i, std::size_t j) const { return values_[at(i, j)]; }
  [[nodiscard]] double& operator()(std::size_t i, std::size_t j) { return values_[at(i, j)]; }
  [[nodiscard]] const std::vector<double>& values() const { return values_; }
  [[nodiscard]] std::vector<double>& values() { return values_; }
  bool operator==(const Gram&) const = default;

 private:
  [[nodiscard]] std::size_t at(std::size_t i, std::size_t j) const {
    if (i > j) std::swap(i, j);
    return i * size_ - i * (i + 1) / 2 + j;
  }

  std::size_t size_ = 0;
  std::vector<double> values_;
};

// One layer group: visible.stem, visible.layer1 .. thermal.layer4, visible.neck, fusion, rpn, roi
// (shared.* when both streams share their weights).
struct GroupGram {
  std::string group;
  std::int64_t elements = 0;  // trainable weights in it
  Gram raw;                   // <g_i, g_j>, of unweighted losses
  Gram preconditioned;        // <g_i, P g_j>, P = diag(f / (sqrt(v_hat) + epsilon)) of AdamW before
                              // the step, f the parameter's multiplier on the learning rate; empty
                              // with SGD and in a run's first step
  std::optional<double> rv;   // opt/rv: sqrt(sum g_det^2 / sum g_total^2) of second moments
  // What one pass through weights that both streams share contributes; the whole is in a group of
  // its own (shared.*), so that sums over groups leave shares out.
  bool share = false;
  bool operator==(const GroupGram&) const = default;
};

// Cotangents at the outputs of one stream's pyramid: <dL_i/dF, dL_j/dF> over all positions.
struct FeatureGram {
  std::string name;  // visible.p2 .. thermal.p6
  Gram raw;
  bool operator==(const FeatureGram&) const = default;
};

struct ProbeRecord {
  std::int64_t step = 0, epoch = 0;  // counted from 1
  // The axis of every Gram: the detection losses first ("det" alone, their weighted sum, or one by
  // one), then the auxiliary ones.
  std::vector<std::string> losses;
  std::size_t detection = 1;      // how many of them are detection losses
  std::vector<double> values;     // unweighted
  std::vector<double> weights;    // as applied in this step; 1 for "det", whose weights are inside
  double learning_rate = 0;       // eta of this step, before multipliers
  double momentum_scale = 1;      // (1 - beta1) / (1 - beta1^t); 1 - momentum does not enter SGD
  double clip = 1, clip_det = 1;  // the coefficient applied, and what it were for detection alone
  double gradient_norm = 0;       // of the total, before clipping
  std::vector<GroupGram> groups;
  std::vector<FeatureGram> features;
  // First-order change of each loss by the step as taken, <g_k, delta>, and what a second forward
  // pass on the same batch found; empty when it was not measured in this probe.
  std::vector<double> predicted, real;
  // Losses whose gradient reaches the trunk reversed (domain by grl): what it does there is not the
  // change of their value, so that predicted and real are no pair.
  std::vector<std::string> reversed;
  double seconds = 0;         // what the probe cost beyond a plain step
  std::int64_t interval = 0;  // steps between probes in force
  bool operator==(const ProbeRecord&) const = default;
};

}  // namespace ktrain
