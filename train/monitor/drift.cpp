#include "train/monitor/drift.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "train/monitor/embedding.h"
#include "train/monitor/layer_groups.h"

namespace ktrain {

LayerDrift layer_drift(const LayerStatistics& now, const LayerStatistics& reference) {
  KT_CHECK(now.layer == reference.layer && now.channels.size() == reference.channels.size(),
           "drift: {} of {} channels against {} of {}", now.layer, now.channels.size(),
           reference.layer, reference.channels.size());
  LayerDrift out{.layer = now.layer,
                 .channels = static_cast<std::int64_t>(now.channels.size()),
                 .still = 0,
                 .z95 = {},
                 .r95 = {},
                 .kl50 = {},
                 .kl95 = {},
                 .top = {}};
  std::vector<double> z, r, kl;
  for (std::size_t c = 0; c < now.channels.size(); ++c) {
    if (is_still(now.channels[c]) || is_still(reference.channels[c])) {
      ++out.still;
      continue;
    }
    const ChannelDrift drift = channel_drift(now.channels[c], reference.channels[c]);
    z.push_back(std::abs(drift.z));
    r.push_back(std::abs(drift.r));
    kl.push_back(drift.kl);
    out.top.emplace_back(static_cast<std::int64_t>(c), drift.kl);
  }
  if (kl.empty()) return out;
  constexpr std::size_t kTop = 3;
  std::stable_sort(out.top.begin(), out.top.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  out.top.resize(std::min(out.top.size(), kTop));
  out.z95 = quantile(z, 0.95);
  out.r95 = quantile(r, 0.95);
  out.kl50 = quantile(kl, 0.5);
  out.kl95 = quantile(kl, 0.95);
  return out;
}

std::vector<LayerDrift> layer_drifts(const Activations& now, const Activations& reference) {
  KT_CHECK(now.layers.size() == reference.layers.size(), "drift: {} layers against {}",
           now.layers.size(), reference.layers.size());
  std::vector<LayerDrift> out;
  for (std::size_t i = 0; i < now.layers.size(); ++i)
    out.push_back(layer_drift(now.layers[i], reference.layers[i]));
  return out;
}

std::vector<GroupDrift> feature_drifts(const Activations& now, const Activations& reference) {
  KT_CHECK(now.features.size() == reference.features.size(), "drift: {} parts against {}",
           now.features.size(), reference.features.size());
  constexpr std::int64_t kLeastForCka = 4;
  std::vector<GroupDrift> out;
  for (std::size_t i = 0; i < now.features.size(); ++i) {
    KT_CHECK(now.features[i].group == reference.features[i].group, "drift: {} against {}",
             now.features[i].group, reference.features[i].group);
    const SampleMatrix a = centred(now.features[i].rows), b = centred(reference.features[i].rows);
    GroupDrift drift{now.features[i].group, {}, {}, {}, {}, {}};
    if (a.rows >= kLeastForCka) drift.cka = linear_cka(a, b);
    drift.proc = procrustes_distance(a, b);
    drift.erank = effective_rank(a);
    drift.erank_ref = effective_rank(b);
    out.push_back(std::move(drift));
  }
  return out;
}

void add_weight_drift(const ParameterSet& parameters, const ReferenceWeights& reference,
                      std::vector<GroupDrift>& groups) {
  struct Sums {
    std::string group;
    double change = 0, norm = 0;
  };
  std::vector<Sums> sums;
  for (const Parameter& parameter : parameters.all()) {
    if (parameter.kind == ParameterKind::kBuffer) continue;
    const std::vector<float> before = reference(parameter);
    if (before.empty()) continue;
    const std::vector<float> now = parameter.value.to_vector<float>();
    KT_CHECK(now.size() == before.size(), "drift: '{}' has {} weights, the reference {}",
             parameter.name, now.size(), before.size());
    const std::string group = group_of(parameter.name);
    auto place =
        std::find_if(sums.begin(), sums.end(), [&](const Sums& s) { return s.group == group; });
    if (place == sums.end()) place = sums.insert(sums.end(), Sums{group});
    for (std::size_t i = 0; i < now.size(); ++i) {
      const double was = before[i], change = static_cast<double>(now[i]) - was;
      place->change += change * change;
      place->norm += was * was;
    }
  }
  for (const Sums& s : sums) {
    if (s.norm == 0) continue;
    auto place = std::find_if(groups.begin(), groups.end(),
                              [&](const GroupDrift& g) { return g.group == s.group; });
    if (place == groups.end())
      place = groups.insert(groups.end(), GroupDrift{s.group, {}, {}, {}, {}, {}});
    place->dw = std::sqrt(s.change / s.norm);
  }
}

std::optional<EmbeddingRecord> embedding_record(const BoxFeatures& boxes,
                                                const std::string& source) {
  if (boxes.visible.rows < 2) return std::nullopt;
  const SampleMatrix u = normalized_rows(boxes.visible), v = normalized_rows(boxes.thermal);
  EmbeddingRecord record;
  record.source = source;
  record.boxes = u.rows;
  record.align = alignment(u, v);
  record.unif = (uniformity(u) + uniformity(v)) / 2;
  record.gap = modality_gap(u, v);
  record.auc = modality_auc(u, v, boxes.pair);
  return record;
}

}  // namespace ktrain
