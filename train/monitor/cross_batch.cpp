#include "train/monitor/cross_batch.h"

#include <cmath>

#include "kernels/check.h"
#include "train/monitor/json_place.h"

namespace ktrain {

Gram inner_products(std::span<const std::span<const float>> vectors) {
  Gram products(vectors.size());
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    KT_CHECK(vectors[i].size() == vectors[0].size(), "sketches: {} buckets beside {}",
             vectors[i].size(), vectors[0].size());
    for (std::size_t j = i; j < vectors.size(); ++j) {
      double sum = 0;
      for (std::size_t c = 0; c < vectors[i].size() && c < vectors[j].size(); ++c)
        sum += static_cast<double>(vectors[i][c]) * static_cast<double>(vectors[j][c]);
      products(i, j) = sum;
    }
  }
  return products;
}

CrossBatch::CrossBatch(BlockSums sums) : sums_(std::move(sums)) {
  const std::size_t blocks = sums_.counts.size();
  KT_CHECK(blocks >= 3, "cross-batch cosine: {} blocks, wanted at least 3", blocks);
  KT_CHECK(sums_.losses > 0 && sums_.products.size() == blocks * sums_.losses,
           "cross-batch cosine: {} sums, wanted {} blocks x {} losses", sums_.products.size(),
           blocks, sums_.losses);
  KT_CHECK(sums_.mean_squares.empty() || sums_.mean_squares.size() == sums_.losses,
           "cross-batch cosine: {} mean squares, wanted {}", sums_.mean_squares.size(),
           sums_.losses);
  for (const std::int64_t count : sums_.counts) {
    KT_CHECK(count >= 1, "cross-batch cosine: a block of {} probes", count);
    probes_ += count;
    pairs_ -= static_cast<double>(count) * static_cast<double>(count);
  }
  pairs_ += static_cast<double>(probes_) * static_cast<double>(probes_);
}

// Sums over pairs of different blocks, block `left` not among them.
double CrossBatch::product_without(std::size_t i, std::size_t j, std::size_t left) const {
  const std::size_t blocks = sums_.counts.size(), losses = sums_.losses;
  double sum = 0, pairs = 0;
  for (std::size_t a = 0; a < blocks; ++a)
    for (std::size_t b = 0; b < blocks; ++b) {
      if (a == b || a == left || b == left) continue;
      sum += sums_.products(a * losses + i, b * losses + j);
      pairs += static_cast<double>(sums_.counts[a]) * static_cast<double>(sums_.counts[b]);
    }
  return sum / pairs;
}

double CrossBatch::product(std::size_t i, std::size_t j) const {
  return product_without(i, j, sums_.counts.size());
}

CrossBatchCosine CrossBatch::cosine(std::size_t i, std::size_t j) const {
  const std::size_t blocks = sums_.counts.size();
  double whole = 0;
  std::vector<double> without;
  for (std::size_t left = 0; left <= blocks; ++left) {
    const double ii = product_without(i, i, left), jj = product_without(j, j, left);
    if (!(ii > 0) || !(jj > 0)) return {.below_noise = true, .cosine = {}};
    const double value = product_without(i, j, left) / std::sqrt(ii * jj);
    if (left < blocks)
      without.push_back(value);
    else
      whole = value;
  }
  CrossBatchCosine found{.below_noise = false, .cosine = jackknife_interval(whole, without)};
  found.cosine.n = probes_;
  return found;
}

std::optional<double> CrossBatch::snr(std::size_t k) const {
  if (sums_.mean_squares.empty()) return {};
  const double signal = product(k, k), noise = sums_.mean_squares[k] - signal;
  if (!(signal > 0) || !(noise > 0)) return {};
  return signal / noise;
}

std::string window_json(std::int64_t step, std::int64_t epoch,
                        const std::vector<std::string>& losses,
                        const std::vector<WindowGroup>& groups) {
  MonitorJson json{{"kind", "window"}, {"step", step}, {"epoch", epoch}};
  json["probes"] = groups.empty() ? 0 : groups[0].batch.probes();
  json["losses"] = losses;
  json["groups"] = MonitorJson::object();
  for (const WindowGroup& group : groups) {
    MonitorJson& at = json["groups"][group.group];
    at = {{"xcos", MonitorJson::object()},
          {"snr", MonitorJson::object()},
          {"self", MonitorJson::object()}};
    for (std::size_t i = 0; i < losses.size(); ++i) {
      for (std::size_t j = i + 1; j < losses.size(); ++j) {
        const CrossBatchCosine found = group.batch.cosine(i, j);
        MonitorJson& pair = at["xcos"][losses[i] + "~" + losses[j]];
        if (found.below_noise)
          pair = {{"below_noise", true}};
        else
          pair = {{"value", found.cosine.value}, {"lo", found.cosine.lo}, {"hi", found.cosine.hi}};
      }
      if (const auto snr = group.batch.snr(i)) at["snr"][losses[i]] = *snr;
    }
    for (const auto& [loss, cosine] : group.self) at["self"][loss] = cosine;
  }
  return json.dump();
}

}  // namespace ktrain
