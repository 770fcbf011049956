// What the runs of a recovery say about a claim: supported, refuted, inconclusive or untested, and
// the measurement that decided it. A claim is never validated: a run can only fail to refute it.
//
//   conflict     the gradient of a loss works against detection's. From the monitor's windows of
//                `runs` that share no probe: the cross-batch cosine of det and the loss per layer
//                group that both train, with interval. Where the monitor takes the loss and another
//                as one, theirs. Supported: in some group, at least `share` of `windows` or more
//                windows have their upper bound below -delta, and the monitor raised an alarm for
//                the group and loss. Refuted: in every group, at least `share` of `windows` or more
//                have their lower bound above -delta, no window has its upper bound below it, and
//                no alarm came. A window that is below the noise counts for neither.
//   interaction  a loss costs more on poor visible images than on good ones. From four runs, [with,
//                without] the loss on each kind of data, at the last epoch that all have validated:
//                D = (poor with - poor without) - (good with - good without), in the recovery's
//                metric, bootstrap over images; over scenes, where both kinds of data have the
//                same ones. Supported: the interval lies below -margin. Refuted: above it.
//   positives    there are too few positives. From the training lists: the mean number of positive
//                boxes in a step, and the share of steps without any if batches are random.
//                Supported: fewer than `least`, or more empty steps than `most_empty`, in some run.
//
// Untested: the runs were not carried out, the loss was not active in them, the monitor was off, an
// arm failed, or arms differ in more than the factor or cannot be compared. With `collect` the runs
// that a claim lacks are carried out first.
#pragma once

#include <map>
#include <string>

#include "train/recovery/judge.h"
#include "train/recovery/recovery_plans.h"

namespace ktrain {

// {"kind": "hypothesis", "hypothesis", "status", "text", "measure", "measurement", "why",
// "details"}. `subjects` are the runs that were carried out.
[[nodiscard]] OrderedJson test_hypothesis(const Recovery& recovery,
                                          const RecoveryHypothesis& hypothesis,
                                          const LoadedPlans& plans,
                                          const std::map<std::string, Subject>& subjects);

// The chance that a batch drawn without replacement has no pair with a positive.
[[nodiscard]] double share_of_empty_batches(std::int64_t pairs, std::int64_t empty,
                                            std::int64_t batch);

}  // namespace ktrain
