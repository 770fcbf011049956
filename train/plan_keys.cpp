#include "train/plan_keys.h"

#include "data/presets.h"
#include "train/plan_key_list.h"

namespace ktrain {
namespace {

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
  keys.choice(
      "train.precision", train.precision, {"float", "tf32", "bf16"},
      "of maps and their gradients, from the normalised images through backbones, pyramids "
      "and fusion to the hidden layers of both heads; with bf16 these multiply copies of "
      "the weights in bf16. Weights, their gradients and the optimizer, statistics, sums, "
      "the heads' outputs, embeddings, losses and detections are float either way. "
      "Validation and detect use it too. With tf32 maps are float, and the detector's "
      "convolutions and linear layers, gradients included, round what they multiply to 10 "
      "bits of fraction, on a GPU since compute capability 8.0 alone: the CPU multiplies in "
      "float, and a line at the start says so");
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
