// Keys of the losses beside detection's own, of the monitors and of remedies.
#include "train/monitor/remedy.h"
#include "train/plan_key_list.h"

namespace ktrain {

void macl_keys(MaclPlan& macl, KeyList& keys) {
  keys.number("loss.macl.weight", macl.weight, 0, 1e4,
              "weight of the contrastive loss between the modalities; 0 throughout: off");
  keys.flag("loss.macl.measure", macl.measure,
            "compute and log the loss although its weight is 0; nothing is trained by it then");
  keys.choice("loss.macl.level", macl.level, {"roi", "image"},
              "what is compared: the positive regions of a step, or whole images");
  keys.choice("loss.macl.control", macl.control, {"none", "projector_only", "shuffled"},
              "controls of an experiment: projector_only trains the projections alone, shuffled "
              "gives each region another one's partner");
  keys.choice("loss.macl.temperature", macl.temperature, {"fixed", "learned"},
              "learned: log(1 / tau) is a parameter, held within [0, ln 100], without decay");
  keys.number("loss.macl.tau", macl.tau, 0.01, 1, "temperature, or where it starts");
  keys.number("loss.macl.rows", macl.rows, 1, 512,
              "room for regions of an image; positives beyond it are left out");
  keys.number("loss.macl.pool", macl.pool, 1, 16, "cells along a side of a region's features");
  keys.number("loss.macl.hidden", macl.hidden, 1, 8192, "hidden channels of the projections");
  keys.number("loss.macl.channels", macl.channels, 1, 8192, "channels that are compared");
  keys.number("loss.macl.negative_iou", macl.negative_iou, 0, 1,
              "regions of one image are negatives only below this IoU and of another target");
  keys.number("loss.macl.neighbours", macl.neighbours, 0, 1e6,
              "frames of one video at most so far apart are no negatives of each other");
  keys.number("loss.macl.min_negatives", macl.min_negatives, 1, 10000,
              "a pair with fewer negatives takes no part");
  keys.flag("loss.macl.quality_weighting", macl.quality_weighting,
            "weigh each pair by the measured quality of its visible image");
  keys.flag("loss.macl.stop_better", macl.stop_better,
            "no gradient into the better modality: thermal where the visible quality is below "
            "quality_threshold, visible elsewhere");
  keys.number("loss.macl.quality_threshold", macl.quality_threshold, 0, 1,
              "visible quality from which the visible image is the better one");
}

void dhn_keys(DhnPlan& dhn, KeyList& keys) {
  keys.number("loss.dhn.weight", dhn.weight, 0, 1e4,
              "weight of the hard negatives out of a queue; 0 throughout: off");
  keys.flag("loss.dhn.measure", dhn.measure,
            "compute and log the loss although its weight is 0; nothing is trained by it then");
  keys.number("loss.dhn.queue", dhn.queue, 1, 1 << 20, "keys that the queue holds");
  keys.number("loss.dhn.top_k", dhn.top_k, 1, 1 << 16, "hardest negatives of a region");
  keys.number("loss.dhn.temperature", dhn.temperature, 1e-3, 10, "temperature of the contrast");
  keys.number("loss.dhn.momentum", dhn.momentum, 0, 0.999999,
              "share that the momentum encoder keeps of itself in a step");
  keys.number("loss.dhn.frame_gap", dhn.frame_gap, -1, kHuge,
              "keys of the same video so many frames away or less are no negatives; -1 takes all");
  keys.number("loss.dhn.max_age", dhn.max_age, 0, kHuge,
              "steps after which a key is no negative any more; 0 for never");
  keys.number("loss.dhn.guard", dhn.guard, 0, 0.5,
              "share of the most similar keys that is passed over as likely false negatives");
}

void domain_keys(DomainPlan& domain, KeyList& keys) {
  keys.number("loss.domain.weight", domain.weight, 0, 1e4,
              "weight of the alignment of the two modalities; 0 throughout: off");
  keys.flag("loss.domain.measure", domain.measure,
            "compute and log the loss although its weight is 0; nothing is trained by it then");
  keys.choice("loss.domain.kind", domain.kind, {"mmd", "grl"},
              "mmd: maximum mean discrepancy; grl: a classifier behind a gradient reversal");
  keys.choice("loss.domain.features", domain.features, {"image", "region", "embedding"},
              "what is aligned: means of whole images, of positive regions, or the embeddings of "
              "another contrastive term");
  keys.number("loss.domain.hidden", domain.hidden, 1, 8192, "grl: channels of the classifier");
  keys.number("loss.domain.reversal", domain.reversal, 0, 100,
              "grl: factor of the reversed gradient at the end of its ramp "
              "2 / (1 + exp(-10 p)) - 1");
  keys.number("loss.domain.reversal_epochs", domain.reversal_epochs, 0, 1e6,
              "grl: epochs of that ramp; 0 for train.epochs");
}

// Training is the same to the bit whatever stands here.
void monitor_keys(MonitorPlan& monitor, KeyList& keys) {
  keys.choice("monitor.profile", monitor.profile, {"off", "watch", "deep", "surgery"},
              "watch compares detection with each kind of auxiliary loss, deep every term with "
              "every other, surgery detection with all others in every step")
      .may_change = true;
  keys.number("monitor.interval", monitor.interval, 1, 1e9, "steps between two probes").may_change =
      true;
  keys.number("monitor.burst", monitor.burst, 0, 1e6,
              "probes at the start, spread over burst_steps, as far as half the budget goes")
      .may_change = true;
  keys.number("monitor.burst_steps", monitor.burst_steps, 1, 1e9, "steps of the burst").may_change =
      true;
  keys.number("monitor.budget_pct", monitor.budget_pct, 0, 1e4,
              "largest share of the run's time for probes, %; the interval is stretched to stay "
              "within it (not in profile surgery)")
      .may_change = true;
  keys.number("monitor.sketch", monitor.sketch, 0, 1 << 20,
              "buckets of the sketches that cross-batch cosines are estimated from, a power of "
              "two; 0 for none")
      .may_change = true;
  keys.number("monitor.window", monitor.window, 16, 4096,
              "probes of a cross-batch cosine, 16 times a power of two")
      .may_change = true;
  keys.number("monitor.real_every", monitor.real_every, 0, 1e6,
              "probes from one that measures what the step really did to each loss to the next, as "
              "far as "
              "budget_pct holds it, 0 for none")
      .may_change = true;
  keys.number("monitor.loo_every", monitor.loo_every, 0, 1e6,
              "probes from one that measures what the step does to detection on a held-out batch "
              "with and without each auxiliary loss to the next, as far as budget_pct holds it, 0 "
              "for none")
      .may_change = true;
  keys.number("monitor.half_every", monitor.half_every, 0, 1e6,
              "probes from one that compares detection on two halves of the batch to the next, 0 "
              "for none")
      .may_change = true;
}

// Training is the same to the bit whatever stands here.
void drift_keys(DriftPlan& drift, KeyList& keys) {
  keys.choice("monitor.drift", drift.when, {"auto", "on", "off"},
              "compare representations with a reference after every epoch; auto: when a loss is on "
              "beside detection's own and monitor.profile is not off")
      .may_change = true;
  keys.number("monitor.drift_every", drift.every, 0, 1e9,
              "steps between two comparisons of normalisation inputs inside an epoch, 0 for none")
      .may_change = true;
  keys.text("monitor.reference", drift.reference,
            "checkpoint to compare with, relative to the working folder; empty: the weights that "
            "the run begins with")
      .may_change = true;
  keys.number("monitor.anchors", drift.anchors, 4, 64,
              "pairs of the validation list that representations are compared on")
      .may_change = true;
}

void remedy_keys(RemedyPlan& remedy, KeyList& keys) {
  const auto names = remedy_names();
  keys.choice("remedy.kind", remedy.kind, {names.begin(), names.end()},
              "another way to sum the gradients of the losses in each layer group, against "
              "conflict; none is the weighted sum");
  keys.choice("remedy.mode", remedy.mode, {"live", "shadow"},
              "live trains with it, in every step; shadow says at probes what it would do");
  keys.choice("remedy.metric", remedy.metric, {"raw", "preconditioned"},
              "products that it looks at: of gradients, or as AdamW scales them");
  keys.text("remedy.groups", remedy.groups,
            "cut: layer groups below which the auxiliary losses are scaled; \"visible\" is all of "
            "that stream's");
  keys.number("remedy.scale", remedy.scale, 0, 1, "cut: the factor there");
  keys.number("remedy.beta", remedy.beta, 0, 0.9999999,
              "pc_asym: decay of the running mean of detection's gradient");
  keys.flag("remedy.always", remedy.always,
            "pc_asym: take the component out where it helps detection, too");
  keys.number("remedy.gate_beta", remedy.gate_beta, 0, 0.9999999,
              "gate: decay of the averaged products");
  keys.flag("remedy.gate_hard", remedy.gate_hard, "gate: all or nothing instead of the cosine");
  keys.number("remedy.cagrad_c", remedy.cagrad_c, 0, 0.999999,
              "cagrad: radius of the ball, by the mean");
  keys.flag("remedy.cagrad_rescale", remedy.cagrad_rescale, "cagrad: divide by 1 + c^2");
  keys.number("remedy.gradnorm_alpha", remedy.gradnorm_alpha, 0, 10,
              "gradnorm: how much slower losses are favoured");
  keys.number("remedy.gradnorm_rate", remedy.gradnorm_rate, 1e-9, 1,
              "gradnorm: learning rate of the weights");
}

}  // namespace ktrain
