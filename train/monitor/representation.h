// How far apart two representations of the same inputs are. All in double, all pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ktrain {

// Row-major; a row is a sample.
struct SampleMatrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;

  [[nodiscard]] double operator()(std::int64_t row, std::int64_t column) const {
    return values[static_cast<std::size_t>(row * columns + column)];
  }
  [[nodiscard]] double& operator()(std::int64_t row, std::int64_t column) {
    return values[static_cast<std::size_t>(row * columns + column)];
  }
};

// Every column less its mean. Throws Error on an empty matrix.
[[nodiscard]] SampleMatrix centred(SampleMatrix matrix);

// ---- one channel as a normal distribution

struct ChannelMoments {
  double mean = 0, variance = 0;  // of the population
};
// One that never moved: a variance not above 1e-12 of the mean square. Nothing can be said in units
// of its deviation.
[[nodiscard]] bool is_still(const ChannelMoments& channel);

struct ChannelDrift {
  double z = 0;   // (mean - mean_ref) / sigma_ref
  double r = 0;   // ln(variance / variance_ref)
  double kl = 0;  // of the channel from its reference, nats: (e^r + z^2 - 1 - r) / 2
};
// Throws Error when either is still.
[[nodiscard]] ChannelDrift channel_drift(const ChannelMoments& now,
                                         const ChannelMoments& reference);

// The p-quantile, 0 <= p <= 1, linear between order statistics. Throws Error on an empty sample.
[[nodiscard]] double quantile(std::vector<double> sample, double p);

// ---- sets of samples; a and b have the same rows. Throw Error otherwise.

// Linear CKA with the unbiased HSIC (Song et al. 2012, Kornblith et al. 2019):
//   HSIC_u(a, b) / sqrt(HSIC_u(a, a) HSIC_u(b, b)),  n >= 4 rows
// Shift of a column, rotation and isotropic scale of either set do not change it. None when a set
// does not vary (its own HSIC_u is not above rounding). Near 0, and as often below, for independent
// sets, whatever the number of columns.
[[nodiscard]] std::optional<double> linear_cka(const SampleMatrix& a, const SampleMatrix& b);

// min over orthogonal Q of ||A - B Q||_F^2 / ||B||_F^2 = (||A||^2 + ||B||^2 - 2 ||A^T B||_*) /
// ||B||^2, as they are: centre them first. Sees what CKA forgives: scale. The same number of
// columns, too. None when B is 0.
[[nodiscard]] std::optional<double> procrustes_distance(const SampleMatrix& a,
                                                        const SampleMatrix& b);

// RankMe (Garrido et al. 2022): exp of the entropy of the singular values over their sum. Between 1
// and min(rows, columns); depends on the number of rows, so compare equal ones only. None for 0.
[[nodiscard]] std::optional<double> effective_rank(const SampleMatrix& a);

}  // namespace ktrain
