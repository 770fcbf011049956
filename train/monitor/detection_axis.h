// Detection as one loss: what the monitor measures every auxiliary loss against.
#pragma once

#include "train/monitor/probe_record.h"

namespace ktrain {

inline constexpr const char* kDetection = "det";

// The record with its detection losses replaced by "det", their weighted sum with weight 1; the
// auxiliary losses follow. Exact: a Gram is bilinear. A record whose axis is that already comes
// back as it is.
[[nodiscard]] ProbeRecord with_detection_summed(const ProbeRecord& record);

// The Gram that speaks of the optimiser's step: the preconditioned one, or the raw one where there
// is none (SGD's P is 1).
[[nodiscard]] inline const Gram& step_gram(const GroupGram& group) {
  return group.preconditioned.size() > 0 ? group.preconditioned : group.raw;
}

// cos of losses i and j; nothing when one of them has no gradient here.
[[nodiscard]] std::optional<double> cosine(const Gram& gram, std::size_t i, std::size_t j);

// -w_j <g_det, P g_j> / <g_det, P g_det> of a record with detection summed: the fraction of
// detection's first-order progress in this group that loss j cancels, negative where it helps.
// Nothing when either has no gradient here.
[[nodiscard]] std::optional<double> tax(const ProbeRecord& summed, const GroupGram& group,
                                        std::size_t j);

// The first-order change of loss k by what loss j brings into this step, over all groups:
// -lr momentum_scale clip w_j sum <g_k, P g_j>. Nothing when either has no gradient anywhere.
[[nodiscard]] std::optional<double> effect(const ProbeRecord& record, std::size_t k, std::size_t j);

// The first-order change of detection by the whole step: measured on the step as taken where the
// record has it, else the sum of what every loss brings in.
[[nodiscard]] std::optional<double> predicted_detection(const ProbeRecord& summed);

}  // namespace ktrain
