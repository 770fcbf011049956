// Probe records of gradients that are written down, and of random ones.
#pragma once

#include <string>
#include <vector>

#include "kernels/random.h"
#include "train/monitor/probe_record.h"

namespace ktrain::test {

using Vectors = std::vector<std::vector<double>>;

// <v_i, P v_j>, with P = 1 when `scale` is empty.
inline Gram gram_of(const Vectors& vectors, const std::vector<double>& scale = {}) {
  Gram gram(vectors.size());
  for (std::size_t i = 0; i < vectors.size(); ++i)
    for (std::size_t j = i; j < vectors.size(); ++j)
      for (std::size_t c = 0; c < vectors[i].size(); ++c)
        gram(i, j) += vectors[i][c] * vectors[j][c] * (scale.empty() ? 1.0 : scale[c]);
  return gram;
}

// Two losses with norms a, b and cosine r.
inline Gram gram_of(double a, double b, double r) {
  Gram gram(2);
  gram(0, 0) = a * a;
  gram(0, 1) = r * a * b;
  gram(1, 1) = b * b;
  return gram;
}

// Detection and one auxiliary loss of weight `weight` in one group.
inline ProbeRecord two_losses(const Gram& raw, const Gram& preconditioned, double weight) {
  ProbeRecord record;
  record.step = record.epoch = 1;
  record.losses = {"det", "macl"};
  record.values = {0.5, 2.0};
  record.weights = {1.0, weight};
  record.learning_rate = 1e-3;
  record.groups = {{"visible.layer1", 10, raw, preconditioned, {}}};
  record.interval = 50;
  return record;
}

// N(0, 1), number `index` of `sample`.
inline double normal_of(const RandomKey& key, std::uint32_t sample, std::uint32_t index) {
  const NormalPair pair = normal_pair(random_words(key, sample, index / 2));
  return index % 2 == 0 ? pair.first : pair.second;
}

// A record with every field set, `losses` losses of which `detection` are detection's.
inline ProbeRecord full_record(std::size_t losses, std::size_t detection, std::uint32_t sample) {
  static const std::vector<std::string> kNames = {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox",
                                                  "macl",    "dhn",      "domain",  "mmd"};
  const RandomKey key{11, 900, 0};
  std::uint32_t at = 0;
  const auto draw = [&] { return normal_of(key, sample, at++); };
  const auto gram = [&] {
    Vectors vectors(losses, std::vector<double>(5));
    for (auto& vector : vectors)
      for (double& x : vector) x = draw();
    return gram_of(vectors);
  };
  ProbeRecord record;
  record.step = 50 * (1 + std::int64_t{sample});
  record.epoch = 1 + sample / 20;
  record.detection = detection;
  for (std::size_t k = 0; k < losses; ++k) {
    record.losses.push_back(detection == 1 && k == 0 ? "det" : kNames[detection == 1 ? k + 3 : k]);
    record.values.push_back(std::abs(draw()));
    record.weights.push_back(k < detection ? 1.0 : 0.05);
    record.predicted.push_back(-1e-5 * std::abs(draw()));
    record.real.push_back(-1e-5 * std::abs(draw()));
  }
  record.learning_rate = 1e-4;
  record.momentum_scale = 0.1;
  record.clip = 0.7;
  record.clip_det = 0.8;
  record.gradient_norm = 3.25;
  for (const char* name : {"visible.stem", "visible.layer1", "thermal.layer1", "fusion"})
    record.groups.push_back({name, 1000, gram(), gram(), 0.9});
  for (const char* name : {"visible.p2", "thermal.p2"}) record.features.push_back({name, gram()});
  record.seconds = 0.125;
  record.interval = 50;
  return record;
}

}  // namespace ktrain::test
