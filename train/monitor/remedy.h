// Remedies against conflict: by which weights the gradients of the losses should be summed in each
// layer group, from their Gram matrix alone. The gradients themselves are not needed: every remedy
// here gives a direction d = sum e_k g_k (+ rho r, r the running mean of detection's gradient), so
// a training step can compute Grams first and then walk backward once with the weights e.
//
// With w_k the loss weights, u_k = w_k g_k the weighted gradients, det = the sum of detection's
// u_k, and <.,.> raw or preconditioned:
//   none         e = w
//   cut          auxiliary losses times `cut_scale` in the groups named
//   gate         auxiliary losses times max(0, cos(u_j, det)), or 1[cos >= 0]; cos of Grams
//   averaged
//                with `gate_beta`, not of one batch                        (arXiv 1812.02224)
//   pc_asym      auxiliary losses minus their component along r where that is negative, or always
//                (`always`)                                                (2402.02998)
//   pcgrad       every u_i minus its components along those u_j that it conflicts with, one after
//                the other in an order drawn for this step                 (2001.06782)
//   gradvac      as pcgrad, up to the running mean of the cosine instead of 0  (2010.05874)
//   cagrad       the best worst loss within c ||mean|| of the mean          (2110.14048)
//   mgda         the shortest vector of the convex hull                     (1810.04650)
//   mgda_ub      the same of cotangents at the pyramid's outputs, one answer for all groups
//   upgrad       mean of projections on the cone of no conflict             (2406.16232)
//   imtl_g       equal projections on all unit gradients
//   nash_mtl     G alpha = 1 / alpha                                        (2202.01017)
//   aligned_mtl  the Gram's singular values made equal                      (2305.19000)
//   gradnorm     weights that learn to balance norms of one group, one answer for all groups
//                                                                           (1711.02257)
// In the symmetric ones detection is one of the losses, as the record has it. Their publications
// differ in scale (sums, means, unit norm); here every answer is scaled so that the learning rate
// keeps its meaning: means count times the number of losses, nash_mtl gets the length of the plain
// sum.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/monitor/probe_record.h"

namespace ktrain {

enum class RemedyKind : std::uint8_t {
  kNone,
  kCut,
  kGate,
  kPcAsym,
  kPcgrad,
  kGradvac,
  kCagrad,
  kMgda,
  kMgdaUb,
  kUpgrad,
  kImtlG,
  kNashMtl,
  kAlignedMtl,
  kGradnorm,
};

// "none", "pc_asym", ...; in the order of the enum.
[[nodiscard]] std::span<const std::string_view> remedy_names();
[[nodiscard]] std::string_view remedy_name(RemedyKind kind);
[[nodiscard]] std::optional<RemedyKind> find_remedy(std::string_view name);

struct RemedyOptions {
  RemedyKind kind = RemedyKind::kNone;
  bool preconditioned = false;          // the metric; raw where a record has no preconditioned Gram
  std::uint64_t seed = 0;               // of pcgrad's and gradvac's order
  std::vector<std::string> cut_groups;  // "visible.stem"; "visible" means all of a stream
  double cut_scale = 0;
  double gate_beta = 0.98;
  bool gate_hard = false;
  bool always = false;  // pc_asym: also where the auxiliary loss helps
  double gradvac_beta = 0.01;
  double cagrad_c = 0.4;
  bool cagrad_rescale = false;  // by 1 / (1 + c^2)
  double gradnorm_alpha = 1.5;
  double gradnorm_rate = 0.025;
  std::string gradnorm_group;  // "": the last group in which every loss has a gradient
};

// The running mean r of detection's gradient in one group, as pc_asym meets it: r itself is the
// caller's to keep.
struct Reference {
  std::vector<double> products;  // <g_k, r> of unweighted losses, in the order of the record
  double square = 0;             // <r, r>
};

struct GroupWeights {
  std::string group;
  std::vector<double> weights;  // e_k; equal to the record's weights where nothing is changed
  double reference = 0;         // rho
  bool changed = false;
  // Why the remedy left the plain weights although it is not `none`: "no conflict", "no gradient",
  // "not named", "a loss is not above 0", "gradients are dependent" (no answer exists), or "".
  std::string reason;
  bool operator==(const GroupWeights&) const = default;
};

// Deterministic: the same calls give the same weights to the bit, also across state()/restore().
class Remedy {
 public:
  // Throws Error for options out of range.
  explicit Remedy(RemedyOptions options);

  // Answers for all groups of the record, in its order. `references` by group name; without one,
  // pc_asym takes detection's gradient of this very step for r, and puts the coefficient into the
  // weights of detection's losses. At most kMostLosses losses.
  [[nodiscard]] std::vector<GroupWeights> solve(const ProbeRecord& record,
                                                const std::map<std::string, Reference>& references);
  [[nodiscard]] std::vector<GroupWeights> solve(const ProbeRecord& record) {
    return solve(record, {});
  }

  [[nodiscard]] const RemedyOptions& options() const { return options_; }

  // What gate, gradvac and gradnorm remember, as JSON. restore() throws Fault KT-DATA-060.
  [[nodiscard]] std::string state() const;
  void restore(std::string_view state);

 private:
  [[nodiscard]] const Gram& metric(const GroupGram& group) const;
  void cut(const ProbeRecord& record, GroupWeights& answer) const;
  void gate(const ProbeRecord& record, const Gram& gram, GroupWeights& answer);
  void pc_asym(const ProbeRecord& record, const Gram& gram, const Reference* reference,
               GroupWeights& answer) const;
  void symmetric(const ProbeRecord& record, const Gram& gram, std::uint32_t place,
                 GroupWeights& answer);
  void gradnorm(const ProbeRecord& record, std::vector<GroupWeights>& answers);

  RemedyOptions options_;
  std::map<std::string, std::vector<double>> averages_;             // gate: Grams; gradvac: cosines
  std::vector<double> first_values_, factors_, moment1_, moment2_;  // gradnorm
  std::int64_t updates_ = 0;
};

}  // namespace ktrain
