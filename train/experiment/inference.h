// What a few replications allow to say: Student's t on one number per seed. Seeds are the units of
// replication; probes, steps and images are not.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ktrain::experiment {

struct MeanInterval {
  std::int64_t n = 0;
  double mean = 0, sd = 0, lo = 0, hi = 0;
};

// Mean and t interval that leaves `tail` on each side; nothing for fewer than two values.
[[nodiscard]] std::optional<MeanInterval> t_interval(std::span<const double> values, double tail);

// The chance of a mean as low as this when the true one is `bound`, by Student's t: small says that
// the true mean is below. Nothing for fewer than two values; 0 or 1 when all values are equal.
[[nodiscard]] std::optional<double> p_below(std::span<const double> values, double bound);
[[nodiscard]] std::optional<double> p_above(std::span<const double> values, double bound);

// Two one-sided tests: small says that the true mean is inside (-margin, margin).
[[nodiscard]] std::optional<double> p_equivalent(std::span<const double> values, double margin);

// Holm's adjusted p-values, in the order given; the chance of any false claim among them stays
// under the level at which they are read.
[[nodiscard]] std::vector<double> holm(std::span<const double> p);

// The difference of the mean that n seeds find with chance `power` in a one-sided test that errs
// with chance `tail`: (t_{1-tail} + t_{power}) sd / sqrt(n), n - 1 degrees. n >= 2.
[[nodiscard]] double detectable(double sd, std::int64_t n, double tail, double power);
// The smallest n for which `detectable` is at most `difference`; nothing beyond `most`.
[[nodiscard]] std::optional<std::int64_t> seeds_needed(double sd, double difference, double tail,
                                                       double power, std::int64_t most);

// The spread of paired differences without looking at their signs, as one who does not know which
// arm is which: root of the mean square. At least as large as the true one. 0 for none.
[[nodiscard]] double blind_sd(std::span<const double> differences);

}  // namespace ktrain::experiment
