#include "train/alignment_plan.h"

#include "runtime/fault.h"
#include "train/auxiliary_plan.h"

namespace ktrain {
namespace {

constexpr double kReferenceWeight = 2.0;  // what the reference's auxiliary terms entered with

void refuse(const ResolvedPlan& resolved, std::string_view key, std::string_view why) {
  throw_fault("KT-CFG-008", "{} ({}): {}", key, resolved.origin_of(key), why);
}

bool detection_term(std::string_view term) {
  return term == "rpn_cls" || term == "rpn_bbox" || term == "roi_cls" || term == "roi_bbox";
}

void check_compat(const ResolvedPlan& resolved) {
  const Plan& plan = resolved.plan;
  const DomainPlan& domain = plan.loss.domain;
  const bool macl = is_enabled(plan.loss.macl), dhn = is_enabled(plan.loss.dhn),
             aligned = is_enabled(domain);
  if (plan.compat.weights == "ignored" && !macl && !dhn && !aligned)
    refuse(resolved, "compat.weights", "there is no auxiliary term whose weight could be ignored");
  if (plan.compat.one_directional && !macl)
    refuse(resolved, "compat.one_directional",
           "there is no direction; wanted loss.macl.weight above 0");
  if (plan.compat.unbounded_temperature && !(macl && plan.loss.macl.temperature == "learned"))
    refuse(resolved, "compat.unbounded_temperature",
           "no temperature is learned; wanted loss.macl.weight above 0 and "
           "loss.macl.temperature = \"learned\"");
  if (plan.compat.polluted_queue && !dhn)
    refuse(resolved, "compat.polluted_queue",
           "there is no queue; set loss.dhn.weight above 0 or leave the switch out");
  if (plan.compat.fixed_bandwidths && !(aligned && domain.kind == "mmd"))
    refuse(resolved, "compat.fixed_bandwidths",
           "there is no discrepancy to measure; wanted loss.domain.weight above 0 and "
           "loss.domain.kind = \"mmd\"");
  if (plan.compat.fixed_bandwidths && domain.features != "embedding")
    refuse(resolved, "compat.fixed_bandwidths",
           "bandwidths of 1, 2 and 4 mean something for unit vectors only; wanted "
           "loss.domain.features = \"embedding\"");
}

}  // namespace

void check_alignment(const ResolvedPlan& resolved) {
  const Plan& plan = resolved.plan;
  const DomainPlan& domain = plan.loss.domain;
  const bool macl = is_enabled(plan.loss.macl), dhn = is_enabled(plan.loss.dhn),
             aligned = is_enabled(domain);
  if (dhn && plan.loss.dhn.top_k > plan.loss.dhn.queue)
    refuse(resolved, "loss.dhn.top_k",
           fmt::format("{} negatives out of a queue of loss.dhn.queue = {}", plan.loss.dhn.top_k,
                       plan.loss.dhn.queue));
  if (aligned && domain.kind == "mmd" && domain.features == "image" && plan.train.batch < 2)
    refuse(resolved, "loss.domain.kind",
           fmt::format("mmd of whole images needs two pairs in a batch, train.batch is {}; take "
                       "loss.domain.features = \"region\" or kind = \"grl\"",
                       plan.train.batch));
  if (aligned && domain.features == "embedding" && !macl && !dhn)
    refuse(resolved, "loss.domain.features",
           "no contrastive term makes embeddings; switch loss.macl.weight or loss.dhn.weight on, "
           "or take \"region\"");
  check_compat(resolved);
}

DhnOptions dhn_options(const Plan& plan) {
  const DhnPlan& dhn = plan.loss.dhn;
  DhnOptions options;
  options.queue = dhn.queue;
  options.top_k = dhn.top_k;
  options.temperature = dhn.temperature;
  options.momentum = dhn.momentum;
  options.mining.frame_gap = dhn.frame_gap;
  options.mining.max_age = dhn.max_age;
  options.mining.guard = dhn.guard;
  options.polluted = plan.compat.polluted_queue;
  options.seed = static_cast<std::uint64_t>(plan.seed);
  return options;
}

DomainOptions domain_options(const Plan& plan) {
  const DomainPlan& domain = plan.loss.domain;
  DomainOptions options;
  options.kind = domain.kind == "grl" ? DomainKind::kGrl : DomainKind::kMmd;
  options.features = domain.features == "image"    ? DomainFeatures::kImage
                     : domain.features == "region" ? DomainFeatures::kRegion
                                                   : DomainFeatures::kEmbedding;
  options.hidden = domain.hidden;
  options.reversal = domain.reversal;
  options.reversal_epochs =
      domain.reversal_epochs > 0 ? domain.reversal_epochs : static_cast<double>(plan.train.epochs);
  if (plan.compat.fixed_bandwidths) options.sigma = {1, 2, 4};
  return options;
}

double applied_weight(const CompatPlan& compat, std::string_view term, double weight) {
  if (compat.weights == "ignored" && !detection_term(term) && term != "planted")
    return kReferenceWeight;
  if (compat.weights == "doubled" && (term == "roi_cls" || term == "roi_bbox")) return 2 * weight;
  return weight;
}

std::string_view weights_notice(const CompatPlan& compat) {
  if (compat.weights == "ignored")
    return "compat.weights = ignored: auxiliary terms enter with weight 2, whatever the plan says";
  if (compat.weights == "doubled")
    return "compat.weights = doubled: the RoI head's terms count twice";
  return "";
}

}  // namespace ktrain
