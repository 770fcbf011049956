// Do two losses pull against each other beyond the batch they share? The cosine of mean gradients,
// without the part that the noise of a shared batch brings in: products of gradients of *different*
// probes alone. With S_b the sum of the n_b gradients of block b and S, n the sums over blocks,
//
//   D_ij = (<S_i, S_j> - sum_b <S_i^b, S_j^b>) / (n^2 - sum_b n_b^2),   xcos = D_ij / sqrt(D_ii
//   D_jj)
//
// estimates <mu_i, mu_j> without bias, whatever the noise of one batch has in common; the interval
// is by leaving out one block after the other. Where D_ii or D_jj is not above 0 there is no
// number: the mean gradient is below the noise.
//
// Blocks hold one probe, or some neighbouring ones to keep fewer sketches (64 probes as 16 blocks
// of 4); pairs within a block are left out, so noise that neighbouring probes share goes as well.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/monitor/probe_record.h"
#include "train/monitor/statistics.h"

namespace ktrain {

// The sums of one window in one layer group. Sketches are linear, so a block's sum is the sum of
// the sketches of its probes, on one or several devices.
struct BlockSums {
  std::vector<std::int64_t> counts;  // probes in each block, at least 1
  std::size_t losses = 0;
  // <S_k^a, S_l^b>, at (block a * losses + k, block b * losses + l).
  Gram products;
  // Mean over probes of ||g_k||^2, of the exact Grams; empty when unknown: then there is no SNR.
  std::vector<double> mean_squares;
};

// Of sketches of block sums, one vector each, in the order block * losses + loss: all of one
// length.
[[nodiscard]] Gram inner_products(std::span<const std::span<const float>> vectors);

struct CrossBatchCosine {
  bool below_noise = false;
  Interval cosine;  // not clamped to [-1, 1]: an estimate may lie outside
};

class CrossBatch {
 public:
  // Throws Error unless sizes fit and there are at least 3 blocks.
  explicit CrossBatch(BlockSums sums);

  [[nodiscard]] double product(std::size_t i, std::size_t j) const;  // D_ij
  [[nodiscard]] CrossBatchCosine cosine(std::size_t i, std::size_t j) const;
  // ||mu_k||^2 / E||noise||^2 = D_kk / (mean ||g_k||^2 - D_kk). Nothing without mean squares, where
  // the mean gradient is below the noise, or where there is no noise.
  [[nodiscard]] std::optional<double> snr(std::size_t k) const;
  [[nodiscard]] std::int64_t probes() const { return probes_; }

 private:
  [[nodiscard]] double product_without(std::size_t i, std::size_t j, std::size_t block) const;

  BlockSums sums_;
  std::int64_t probes_ = 0;
  double pairs_ = 0;  // n^2 - sum n_b^2
};

// The line of monitor.jsonl for one window: per group the cosines of all pairs and the SNR of every
// loss; `self` are the split-half cosines of the null, by loss, where they were measured.
struct WindowGroup {
  std::string group;
  CrossBatch batch;
  std::vector<std::pair<std::string, double>> self;
};
[[nodiscard]] std::string window_json(std::int64_t step, std::int64_t epoch,
                                      const std::vector<std::string>& losses,
                                      const std::vector<WindowGroup>& groups);

}  // namespace ktrain
