#include "train/plan_keys.h"

#include "data/presets.h"
#include "train/monitor/remedy.h"

namespace ktrain {
namespace {

using Choices = std::vector<std::string_view>;
constexpr double kHuge = 9e15;  // integers up to here are exact in a double

// Collects the keys; `group` stands before every name.
class KeyList {
 public:
  PlanKey& flag(std::string_view name, bool& value, std::string_view help) {
    return add({name, &value, help, 0, 0, {}, false});
  }
  template <class T>
  PlanKey& number(std::string_view name, T& value, double least, double most,
                  std::string_view help) {
    return add({name, &value, help, least, most, {}, false});
  }
  PlanKey& choice(std::string_view name, std::string& value, Choices choices,
                  std::string_view help) {
    return add({name, &value, help, 0, 0, std::move(choices), false});
  }
  template <class T>
  PlanKey& text(std::string_view name, T& value, std::string_view help) {
    return add({name, &value, help, 0, 0, {}, false});
  }
  std::vector<PlanKey> take() { return std::move(keys_); }

 private:
  PlanKey& add(PlanKey key) {
    keys_.push_back(std::move(key));
    return keys_.back();
  }
  std::vector<PlanKey> keys_;
};

void machine_keys(Plan& plan, KeyList& keys) {
  keys.number("seed", plan.seed, 0, kHuge, "seed of every random number of the run");
  keys.choice("device", plan.device, {"auto", "cpu", "cuda"},
              "where to train; auto takes a GPU when one answers and says so when none does");
  keys.number(
          "threads", plan.threads, 0, 1024,
          "CPU threads of the computation; 0 for every core, and when a run goes on for the number "
          "that it began with. Another number can change the last bits of results")
      .may_change = true;
}

void data_keys(DataPlan& data, KeyList& keys) {
  keys.choice(
      "data.preset", data.preset, preset_names(),
      "layout of the files under data.root; synth makes the built-in set when it is missing");
  keys.text("data.root", data.root, "folder of the data set, relative to the working folder")
      .may_change = true;  // hashes of both lists say whether it is the same data
  keys.text("data.train", data.train, "training list under data.root, empty for the preset's own");
  keys.text("data.val", data.val, "validation list under data.root, empty for the preset's own");
  keys.text("data.test", data.test, "test list under data.root, empty for the preset's own");
  keys.number("data.size", data.size, 32, 4096,
              "[width, height] in pixels that pairs are resized to, the aspect kept, then padded");
  keys.choice("data.boxes", data.boxes, {"auto", "visible", "thermal", "mean", "union"},
              "whose boxes to train on where each modality has its own; auto: the preset's rule");
  keys.choice("data.origin", data.origin, {"auto", "0", "1"},
              "coordinate of the first pixel in the annotations; auto: the preset's rule");
  keys.number("data.flip", data.flip, 0, 1, "probability of a horizontal flip of the whole pair");
  keys.flag("data.skip_empty", data.skip_empty,
            "leave pairs without a positive box out of training");
  keys.number("data.cache_mb", data.cache_mb, 0, 1 << 20,
              "MiB of decoded images kept in memory, for each of the two lists")
      .may_change = true;
  keys.number("data.workers", data.workers, 0, 256,
              "threads that decode ahead, 0 to decode in the training thread")
      .may_change = true;
  keys.number("data.max_boxes", data.max_boxes, 1, 4096,
              "room for boxes of one pair; a pair with more is refused when the index is built");
  keys.text("data.labels.positive", data.positive,
            "class names that count as pedestrians; \"auto\" stands for the preset's own names");
  keys.text("data.labels.ignore", data.ignore,
            "class names that are neither pedestrian nor background: ignored regions");
  keys.text("data.labels.background", data.background,
            "class names that are known and not looked for; any other name is an error");
}

void synth_keys(SynthPlan& synth, KeyList& keys) {
  keys.number("data.synth.train_pairs", synth.train_pairs, 1, 1e6, "training pairs to make");
  keys.number("data.synth.val_pairs", synth.val_pairs, 1, 1e6, "held-out pairs to make");
  keys.number("data.synth.size", synth.size, 32, 4096, "[width, height] in pixels on disk");
  keys.number("data.synth.quality", synth.quality, 0, 1,
              "light in the visible images: 1 good, 0 next to nothing but noise");
  keys.number("data.synth.night", synth.night, 0, 1, "share of night scenes");
  keys.number("data.synth.empty", synth.empty, 0, 1, "share of scenes with nobody in them");
  keys.number("data.synth.crowding", synth.crowding, 0, 10, "factor on the number of people");
  keys.number("data.synth.shift", synth.shift, 0, 64,
              "largest shift between the modalities, pixels");
  keys.number("data.synth.seed", synth.seed, 0, kHuge, "seed of the scenes");
}

void model_keys(ModelPlan& model, KeyList& keys) {
  keys.number("model.depth", model.depth, 18, 101, "ResNet depth: 18, 34, 50 or 101");
  keys.number("model.width", model.width, 0.0625, 4, "factor on the backbone's channels");
  keys.number("model.fpn_channels", model.fpn_channels, 8, 1024, "channels of the pyramid");
  keys.choice("model.streams", model.streams, {"both", "visible", "thermal"},
              "modalities that the detector sees; one alone is the baseline to beat");
  keys.choice("model.fusion", model.fusion, {"concat", "add", "gated"},
              "how the two pyramids become one (both streams only)");
  keys.flag("model.shared", model.shared, "one backbone and neck for both streams");
  keys.flag("model.msp", model.msp, "a learned gate that amplifies pixels of the fused pyramid");
  keys.number("model.frozen_stages", model.frozen_stages, -1, 4,
              "-1 freezes nothing, 0 the stem, n the stem and the first n stages");
  keys.choice("model.norm", model.norm, {"frozen", "batch"},
              "batch normalisation: statistics fixed, or taken from the batch while training");
  keys.number("model.anchor_scale", model.anchor_scale, 0.5, 64,
              "side of a square anchor in strides of its level");
  keys.number("model.anchor_ratios", model.anchor_ratios, 0.05, 20,
              "height / width of the anchors");
  keys.number("model.ignore_iof", model.ignore_iof, 0, 1,
              "boxes covered this much by an ignored region take no part in training");
}

void rpn_keys(RpnPlan& rpn, KeyList& keys) {
  keys.number("model.rpn.nms_pre", rpn.nms_pre, 1, 100000,
              "proposals of a level that enter NMS while training");
  keys.number("model.rpn.nms_pre_test", rpn.nms_pre_test, 1, 100000,
              "proposals of a level that enter NMS in evaluation");
  keys.number("model.rpn.max_proposals", rpn.max_proposals, 1, 100000, "proposals kept of a pair");
  keys.number("model.rpn.nms", rpn.nms, 0, 1, "IoU above which the weaker proposal is dropped");
  keys.number("model.rpn.samples", rpn.samples, 2, 100000, "anchors of a pair in the loss");
  keys.number("model.rpn.positive_share", rpn.positive_share, 0, 1,
              "largest share of positives among them");
  keys.number("model.rpn.positive_iou", rpn.positive_iou, 0, 1,
              "IoU from which an anchor is positive");
  keys.number("model.rpn.negative_iou", rpn.negative_iou, 0, 1,
              "IoU below which an anchor is negative");
}

void roi_keys(RoiPlan& roi, KeyList& keys) {
  keys.number("model.roi.samples", roi.samples, 2, 100000, "proposals of a pair in the loss");
  keys.number("model.roi.fc_channels", roi.fc_channels, 8, 8192,
              "channels of the two shared fully connected layers");
  keys.number("model.roi.pool", roi.pool, 1, 32, "cells along a side of the pooled features");
  keys.number("model.roi.positive_share", roi.positive_share, 0, 1,
              "largest share of positives among the samples");
  keys.number("model.roi.positive_iou", roi.positive_iou, 0, 1,
              "IoU from which a proposal is positive, below it negative");
}

void optimizer_keys(OptimizerPlan& optimizer, KeyList& keys) {
  keys.choice("optimizer.kind", optimizer.kind, {"adamw", "sgd"}, "the update rule");
  keys.number("optimizer.lr", optimizer.lr, 0, 100,
              "learning rate before schedule and multipliers");
  keys.number("optimizer.weight_decay", optimizer.weight_decay, 0, 10,
              "weight decay: decoupled in adamw, added to the gradient in sgd");
  keys.number("optimizer.beta1", optimizer.beta1, 0, 0.999999, "adamw: decay of the first moment");
  keys.number("optimizer.beta2", optimizer.beta2, 0, 0.999999, "adamw: decay of the second moment");
  keys.number("optimizer.epsilon", optimizer.epsilon, 1e-16, 1, "adamw: added to the denominator");
  keys.number("optimizer.momentum", optimizer.momentum, 0, 0.999999, "sgd: momentum");
  keys.number("optimizer.clip", optimizer.clip, 0, 1e6,
              "largest global L2 norm of the gradient, 0 for no clipping");
  keys.number("optimizer.norm_decay", optimizer.norm_decay, 0, 10,
              "factor on the weight decay of normalisation layers");
  keys.number("optimizer.bias_decay", optimizer.bias_decay, 0, 10,
              "factor on the weight decay of biases outside normalisation layers");
  keys.number("optimizer.multipliers", optimizer.multipliers, 0, 1e4,
              "[{prefix = \"backbone\", lr = 0.1, decay = 1.0}, ...]: factors for parameters whose "
              "name contains prefix; the longest match wins over norm_decay and bias_decay");
}

void schedule_keys(SchedulePlan& schedule, KeyList& keys) {
  keys.choice("schedule.kind", schedule.kind, {"constant", "cosine", "multistep"},
              "how the learning rate moves after the warm-up");
  keys.choice("schedule.unit", schedule.unit, {"epoch", "step"},
              "unit of begin, end and milestones, and how often the rate moves");
  keys.number("schedule.warmup_steps", schedule.warmup_steps, 0, 1e9,
              "steps in which a factor on the rate rises linearly to 1");
  keys.number("schedule.warmup_factor", schedule.warmup_factor, 0, 1,
              "the factor in the first step");
  keys.number("schedule.begin", schedule.begin, 0, 1e9,
              "cosine: epochs (or steps) at full rate before the descent");
  keys.number("schedule.end", schedule.end, 0, 1e9,
              "cosine: epoch (or step) at whose end min_lr would be reached, 0: end of training");
  keys.number("schedule.min_lr", schedule.min_lr, 0, 100, "cosine: the rate it descends to");
  keys.number("schedule.milestones", schedule.milestones, 1, 1e9,
              "multistep: after so many epochs (or steps) the rate is multiplied by gamma");
  keys.number("schedule.gamma", schedule.gamma, 0, 1, "multistep: the factor at a milestone");
}

void train_keys(TrainPlan& train, KeyList& keys) {
  keys.number("train.epochs", train.epochs, 1, 1e6, "passes over the training list");
  keys.number("train.batch", train.batch, 1, 1024, "pairs in a step");
  keys.number("train.steps", train.steps, 0, 1e12, "stop after so many steps, 0 for no limit");
  keys.number("train.eval_every", train.eval_every, 1, 1e6, "epochs between two validations");
  keys.number("train.checkpoint_every", train.checkpoint_every, 0, 1e9,
              "steps between two checkpoints inside an epoch, 0: at the end of epochs only")
      .may_change = true;
  keys.number("train.keep", train.keep, 0, 1e6,
              "newest checkpoints kept beside the best one, at least 2; 0 for all")
      .may_change = true;
  keys.number("train.keep_epochs", train.keep_epochs, 1, 1e6,
              "[first, last] or [epoch]: the checkpoints at the ends of these epochs stay as well, "
              "for init.take and sweeps")
      .may_change = true;
  keys.number("train.average", train.average, 0, 0.5,
              "momentum of the running average of the weights that is evaluated, 0 for none");
}

void loss_keys(LossPlan& loss, KeyList& keys) {
  constexpr double kMost = 1e4;
  keys.number("loss.rpn_cls.weight", loss.rpn_cls.weight, 0, kMost,
              "weight of the RPN's objectness");
  keys.number("loss.rpn_bbox.weight", loss.rpn_bbox.weight, 0, kMost,
              "weight of the RPN's box regression");
  keys.number("loss.roi_cls.weight", loss.roi_cls.weight, 0, kMost,
              "weight of the RoI head's classification");
  keys.number("loss.roi_bbox.weight", loss.roi_bbox.weight, 0, kMost,
              "weight of the RoI head's box regression");
  keys.choice("loss.planted.kind", loss.planted.kind,
              {"none", "negative_det", "copy_det", "random_sign"},
              "a control with a known answer: -0.1 times the detection loss, a copy of it, or "
              "random signs at the outputs of both pyramids, drawn anew in every step, as a "
              "cotangent of norm 1");
  keys.number("loss.planted.weight", loss.planted.weight, 0, kMost, "weight of the control");
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
              "probes from one that measures what the step really did to each loss to the next, 0 "
              "for none")
      .may_change = true;
  keys.number("monitor.loo_every", monitor.loo_every, 0, 1e6,
              "probes from one that measures what the step does to detection on a held-out batch "
              "with and without each auxiliary loss to the next, 0 for none")
      .may_change = true;
  keys.number("monitor.half_every", monitor.half_every, 0, 1e6,
              "probes from one that compares detection on two halves of the batch to the next, 0 "
              "for none")
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

// Training is the same to the bit whatever stands here.
void drift_keys(DriftPlan& drift, KeyList& keys) {
  keys.choice("monitor.drift", drift.when, {"auto", "on", "off"},
              "compare representations with a reference after every epoch; auto: when a loss is on "
              "beside detection's own")
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

void compat_keys(CompatPlan& compat, KeyList& keys) {
  keys.flag("compat.one_directional", compat.one_directional,
            "macl contrasts visible with thermal rows only, not the reverse");
  keys.flag("compat.unbounded_temperature", compat.unbounded_temperature,
            "macl learns the raw temperature: decayed, without limits");
  keys.flag("compat.polluted_queue", compat.polluted_queue,
            "dhn: random keys at the start, own keys before the mining, nothing excluded, no "
            "momentum encoder");
  keys.flag("compat.fixed_bandwidths", compat.fixed_bandwidths,
            "domain: mmd with the bandwidths 1, 2 and 4");
  keys.choice("compat.weights", compat.weights, {"applied", "ignored", "doubled"},
              "ignored: auxiliary terms enter with 2 whatever their weight; doubled: the RoI "
              "head's terms count twice");
}

void outcome_keys(Plan& plan, KeyList& keys) {
  keys.choice("stop.metric", plan.stop.metric, {"map", "map_11point", "recall", "miss_rate"},
              "the validation number that chooses the best checkpoint and that early stop watches");
  keys.number("stop.threshold", plan.stop.threshold, 0, 1,
              "a validation on the wrong side of it counts against patience, a good one resets");
  keys.number("stop.patience", plan.stop.patience, 0, 1e6,
              "validations in a row on the wrong side that end the run, 0: never");
  keys.number("stop.begin", plan.stop.begin, 1, 1e6, "first epoch whose validation counts");
  keys.choice("eval.protocol", plan.eval.protocol, {"voc", "coco", "kaist"},
              "which table is printed after a validation");
  keys.number("eval.score_threshold", plan.eval.score_threshold, 0, 1,
              "detections must score above it");
  keys.number("eval.nms", plan.eval.nms, 0, 1, "IoU above which the weaker detection is dropped");
  keys.number("eval.max_detections", plan.eval.max_detections, 1, 10000,
              "detections kept of a pair");
  keys.text("output.dir", plan.output.dir,
            "run folder relative to the working folder, empty for runs/<the plan's path below "
            "configs/>")
      .may_change = true;
  keys.number("output.log_every", plan.output.log_every, 1, 1e9,
              "steps between two lines of the log")
      .may_change = true;
  keys.flag("output.tensorboard", plan.output.tensorboard,
            "write curves and validation pictures for TensorBoard to the run folder's tb/")
      .may_change = true;
  keys.text("init.plan", plan.init.plan,
            "prerequisite plan, relative to this plan's folder; it runs first when it has not");
  keys.text("init.take", plan.init.take,
            "which checkpoint of the prerequisite: best, last or epoch_N");
  keys.text("init.checkpoint", plan.init.checkpoint,
            "file with the initial weights, relative to the working folder");
  keys.text("init.allow_missing", plan.init.allow_missing,
            "prefixes of parameters that the initial weights may lack");
  keys.text("init.allow_unexpected", plan.init.allow_unexpected,
            "prefixes of tensors in the initial weights that may be left over");
}

}  // namespace

std::vector<PlanKey> plan_keys(Plan& plan) {
  KeyList keys;
  machine_keys(plan, keys);
  data_keys(plan.data, keys);
  synth_keys(plan.data.synth, keys);
  model_keys(plan.model, keys);
  rpn_keys(plan.model.rpn, keys);
  roi_keys(plan.model.roi, keys);
  optimizer_keys(plan.optimizer, keys);
  schedule_keys(plan.schedule, keys);
  train_keys(plan.train, keys);
  loss_keys(plan.loss, keys);
  macl_keys(plan.loss.macl, keys);
  monitor_keys(plan.monitor, keys);
  drift_keys(plan.drift, keys);
  remedy_keys(plan.remedy, keys);
  dhn_keys(plan.loss.dhn, keys);
  domain_keys(plan.loss.domain, keys);
  compat_keys(plan.compat, keys);
  outcome_keys(plan, keys);
  return keys.take();
}

std::string_view key_group(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
}

}  // namespace ktrain
