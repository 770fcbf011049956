// Drift of a detector's representations against a reference, and how its two modalities lie to each
// other: the "drift" and "embedding" records of monitor.jsonl. docs/drift.md says how to read them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/parameters.h"
#include "train/monitor/activations.h"

namespace ktrain {

// Of the inputs of one normalisation. Quantiles over its channels, of |z|, |r| and KL as
// channel_drift defines them; none when every channel is still.
struct LayerDrift {
  std::string layer;
  std::int64_t channels = 0;
  std::int64_t still = 0;  // channels left out: constant now, in the reference, or in both
  std::optional<double> z95, r95, kl50, kl95;
  std::vector<std::pair<std::int64_t, double>> top;  // up to three channels of the largest KL
};

// Of the outputs of one part of the model (cka, proc, erank; columns centred), and of its weights.
struct GroupDrift {
  std::string group;
  std::optional<double> cka, proc, erank, erank_ref;
  std::optional<double> dw;  // ||w - w_ref|| / ||w_ref|| of weights, biases and norm parameters
};

struct DriftRecord {
  std::int64_t step = 0, epoch = 0;
  std::string reference;  // "#1a2b3c4d"
  std::int64_t anchors = 0;
  std::vector<LayerDrift> layers;
  std::vector<GroupDrift> groups;  // empty when only the layers were measured
  double seconds = 0;              // what the measurement cost
};

struct EmbeddingRecord {
  std::int64_t step = 0, epoch = 0;
  // "macl", "dhn": projection heads of this loss; "roi": features of boxes before fusion.
  std::string source;
  std::int64_t boxes = 0;  // or images, where the loss compares those
  double align = 0, unif = 0, gap = 0;
  std::optional<double> auc;
  // Of the queue of hard negatives in the step before, where there is one.
  std::optional<double> fnr, qage;
};

// Both are of one architecture on the same anchors: Error otherwise.
[[nodiscard]] LayerDrift layer_drift(const LayerStatistics& now, const LayerStatistics& reference);
[[nodiscard]] std::vector<LayerDrift> layer_drifts(const Activations& now,
                                                   const Activations& reference);
// cka, proc and erank of each part.
[[nodiscard]] std::vector<GroupDrift> feature_drifts(const Activations& now,
                                                     const Activations& reference);

// Puts dw of every group into `groups`, which grows by those that have weights alone. `reference`
// gives the values of a parameter in the reference, empty for one that it lacks. Running statistics
// are no weights; a group whose reference is 0 has no dw.
using ReferenceWeights = std::function<std::vector<float>(const Parameter&)>;
void add_weight_drift(const ParameterSet& parameters, const ReferenceWeights& reference,
                      std::vector<GroupDrift>& groups);

// Of two boxes or more; none otherwise. Rows are brought to length 1 here.
[[nodiscard]] std::optional<EmbeddingRecord> embedding_record(const BoxFeatures& boxes,
                                                              const std::string& source);

// One line of monitor.jsonl. What was not measured is left out.
[[nodiscard]] std::string drift_json(const DriftRecord& record);
[[nodiscard]] std::string embedding_json(const EmbeddingRecord& record);
// For people: a line per group with the largest kl95 and z95 of its layers.
[[nodiscard]] std::string drift_table(const DriftRecord& record);
[[nodiscard]] std::string embedding_table(const EmbeddingRecord& record);

}  // namespace ktrain
