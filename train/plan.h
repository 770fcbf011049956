// What a training run is asked to do. train/plan_keys.cpp names every key with its unit, limits and
// meaning; docs/plan_reference.md is generated from there. Choices are strings that the parser has
// checked against the listed ones; positions and epochs are 1-based where a user sees them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/weight_schedule.h"

namespace ktrain {

using Strings = std::vector<std::string>;

struct PlanSize {
  std::int64_t width = 640, height = 512;
  bool operator==(const PlanSize&) const = default;
};

// The built-in data set, made once under data.root when data.preset is "synth".
struct SynthPlan {
  std::int64_t train_pairs = 200, val_pairs = 60;
  PlanSize size;
  double quality = 1.0;   // visible images: 1 good light, 0 next to nothing
  double night = 0.3;     // share of night scenes
  double empty = 0.2;     // share of scenes with nobody in them
  double crowding = 1.0;  // factor on the number of people
  double shift = 0.0;     // largest shift between the modalities, pixels
  std::int64_t seed = 1;
};

struct DataPlan {
  std::string preset = "kaist";
  std::string root;
  std::string train, val, test;  // lists; empty: the preset's own
  PlanSize size;
  Strings positive = {"auto"}, ignore = {"auto"}, background = {"auto"};  // auto: the preset's own
  std::string boxes = "auto";   // auto, visible, thermal, mean, union
  std::string origin = "auto";  // auto, 0, 1: the first pixel's coordinate in the annotations
  double flip = 0.5;
  bool skip_empty = false;
  std::int64_t cache_mb = 1024, workers = 1, max_boxes = 64;
  SynthPlan synth;
};

struct RpnPlan {
  std::int64_t nms_pre = 2000, nms_pre_test = 1000, max_proposals = 1000;
  double nms = 0.7;
  std::int64_t samples = 256;
  double positive_share = 0.5, positive_iou = 0.7, negative_iou = 0.3;
};

struct RoiPlan {
  std::int64_t samples = 512, fc_channels = 1024, pool = 7;
  double positive_share = 0.25, positive_iou = 0.5;
};

struct ModelPlan {
  std::int64_t depth = 50;
  double width = 1.0;
  std::int64_t fpn_channels = 256;
  std::string streams = "both";   // both, visible, thermal
  std::string fusion = "concat";  // concat, add, gated
  bool shared = false;            // one backbone and neck for both streams
  bool msp = false;               // the gate on the fused pyramid
  std::int64_t frozen_stages = 1;
  std::string norm = "frozen";  // frozen, batch
  double anchor_scale = 8.0;
  std::vector<double> anchor_ratios = {0.5, 1.0, 2.0};
  double ignore_iof = 0.5;
  RpnPlan rpn;
  RoiPlan roi;
};

// Factors on lr and weight decay for every parameter whose full name contains `prefix`; the longest
// match wins, and norm_decay and bias_decay then do not apply.
struct Multiplier {
  std::string prefix;
  double lr = 1.0, decay = 1.0;
  bool operator==(const Multiplier&) const = default;
};

struct OptimizerPlan {
  std::string kind = "adamw";  // adamw, sgd
  double lr = 1e-3, weight_decay = 5e-4;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double momentum = 0.9;
  double clip = 0.0;  // largest global gradient norm; 0: no clipping
  double norm_decay = 1.0, bias_decay = 1.0;
  std::vector<Multiplier> multipliers;
};

struct SchedulePlan {
  std::string kind = "cosine";  // constant, cosine, multistep
  std::string unit = "epoch";   // epoch, step: how often the main schedule moves
  std::int64_t warmup_steps = 0;
  double warmup_factor = 0.001;
  std::int64_t begin = 0, end = 0;  // cosine; end 0: the end of training
  double min_lr = 0.0;
  std::vector<std::int64_t> milestones;
  double gamma = 0.1;
};

struct TrainPlan {
  std::int64_t epochs = 12, batch = 2, steps = 0;  // steps 0: no limit
  std::int64_t eval_every = 1, checkpoint_every = 0, keep = 2;
  std::vector<std::int64_t> keep_epochs;  // [first, last]: their ends' checkpoints stay
  double average = 0.0;                   // momentum of the weights' average; 0: off
  std::string precision = "float";        // of maps and products: float, tf32, bf16
};

struct LossTermPlan {
  WeightSchedule weight;
};

// An auxiliary loss whose relation to detection is known: a control of what the monitor says.
struct PlantedPlan {
  std::string kind = "none";  // none, negative_det, copy_det, random_sign
  WeightSchedule weight;
};

// A loss beside the detector's own: off unless it has a weight or is to be measured.
struct AuxiliaryTermPlan {
  AuxiliaryTermPlan() { weight.value = {0.0}; }

  WeightSchedule weight;
  bool measure = false;  // compute and log it whatever its weight
};

struct MaclPlan : AuxiliaryTermPlan {
  std::string level = "roi";          // roi, image
  std::string control = "none";       // none, projector_only, shuffled
  std::string temperature = "fixed";  // fixed, learned
  double tau = 0.07;
  std::int64_t rows = 64;  // regions of an image
  std::int64_t pool = 3, hidden = 256, channels = 128;
  double negative_iou = 0.3;
  std::int64_t neighbours = 0, min_negatives = 1;
  bool quality_weighting = false, stop_better = false;
  double quality_threshold = 0.5;
};

struct DhnPlan : AuxiliaryTermPlan {
  std::int64_t queue = 4096, top_k = 64;
  double temperature = 0.07, momentum = 0.999;
  std::int64_t frame_gap = 20, max_age = 1000;  // frames; steps, 0: however old
  double guard = 0.01;
};

struct DomainPlan : AuxiliaryTermPlan {
  std::string kind = "mmd";        // mmd, grl
  std::string features = "image";  // image, region, embedding
  std::int64_t hidden = 128;       // grl: of the classifier
  double reversal = 1.0;           // grl: lambda at the end
  double reversal_epochs = 0.0;    // grl: after which it is reached; 0: all of the run
};

struct LossPlan {
  LossTermPlan rpn_cls, rpn_bbox, roi_cls, roi_bbox;
  MaclPlan macl;
  DhnPlan dhn;
  DomainPlan domain;
  PlantedPlan planted;
};

// Forms of a known reference implementation, for showing what they do. docs/losses.md.
struct CompatPlan {
  bool one_directional = false, unbounded_temperature = false;  // macl
  bool polluted_queue = false;                                  // dhn
  bool fixed_bandwidths = false;                                // domain
  std::string weights = "applied";                              // applied, ignored, doubled
};

// What the conflict monitor measures, and how much of the run's time it may take.
struct MonitorPlan {
  std::string profile = "watch";  // off, watch, deep, surgery
  std::int64_t interval = 50;     // steps between probes
  std::int64_t burst = 20, burst_steps = 200;
  double budget_pct = 3.0;
  std::int64_t sketch = 16384, window = 64;  // buckets, probes
  std::int64_t real_every = 5, half_every = 16, loo_every = 5;
};

// Another way to sum the gradients of the losses, by layer group.
struct RemedyPlan {
  std::string kind = "none";
  std::string mode = "shadow";  // live, shadow
  std::string metric = "raw";   // raw, preconditioned
  Strings groups;               // cut
  double scale = 0.0;           // cut
  double beta = 0.99;           // pc_asym
  bool always = false;          // pc_asym
  double gate_beta = 0.98;
  bool gate_hard = false;
  double cagrad_c = 0.4;
  bool cagrad_rescale = false;
  double gradnorm_alpha = 1.5, gradnorm_rate = 0.025;
};

// Drift of representations against a reference; docs/drift.md.
struct DriftPlan {
  std::string when = "auto";  // auto, on, off
  std::int64_t every = 500;   // steps between two looks at the layers inside an epoch, 0: none
  std::string reference;      // a checkpoint; empty: the weights that the run begins with
  std::int64_t anchors = 32;
};

struct StopPlan {
  std::string metric = "map";
  std::string mode = "max";  // max, min
  double threshold = 0.0;
  std::int64_t patience = 0, begin = 1;  // patience 0: never stop early
};

struct EvalPlan {
  std::string protocol = "voc";
  double score_threshold = 0.05, nms = 0.5;
  std::int64_t max_detections = 100;
};

struct OutputPlan {
  std::string dir;  // empty: runs/<name of the plan>
  std::int64_t log_every = 50;
  bool tensorboard = true;  // event files in tb/
};

// Where the weights start. At most one of `plan` and `checkpoint`.
struct InitPlan {
  std::string plan;                         // a prerequisite plan, relative to this plan's folder
  std::string take = "best";                // best, last, epoch_N: which of its checkpoints
  std::string checkpoint;                   // a file, relative to the working folder
  Strings allow_missing, allow_unexpected;  // prefixes of tensors that may be missing, be left over
};

struct Plan {
  std::int64_t seed = 1;
  std::string device = "auto";  // auto, cpu, cuda
  std::int64_t threads = 0;     // 0: every core
  DataPlan data;
  ModelPlan model;
  OptimizerPlan optimizer;
  SchedulePlan schedule;
  TrainPlan train;
  LossPlan loss;
  MonitorPlan monitor;
  RemedyPlan remedy;
  DriftPlan drift;
  CompatPlan compat;
  StopPlan stop;
  EvalPlan eval;
  OutputPlan output;
  InitPlan init;
};

}  // namespace ktrain
