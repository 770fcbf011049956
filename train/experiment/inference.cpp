#include "train/experiment/inference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <boost/math/distributions/students_t.hpp>

#include "kernels/check.h"

namespace ktrain::experiment {
namespace {

using StudentsT = boost::math::students_t_distribution<double>;

struct Moments {
  double mean = 0, sd = 0;
};

Moments moments(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Moments m;
  for (const double x : values) m.mean += x / n;
  double squares = 0;
  for (const double x : values) squares += (x - m.mean) * (x - m.mean);
  m.sd = std::sqrt(squares / (n - 1));
  return m;
}

double quantile_t(double p, std::int64_t n) {
  return boost::math::quantile(StudentsT(static_cast<double>(n - 1)), p);
}

}  // namespace

std::optional<MeanInterval> t_interval(std::span<const double> values, double tail) {
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<std::int64_t>(values.size());
  const auto [mean, sd] = moments(values);
  const double half = quantile_t(1 - tail, n) * sd / std::sqrt(static_cast<double>(n));
  return MeanInterval{n, mean, sd, mean - half, mean + half};
}

std::optional<double> p_below(std::span<const double> values, double bound) {
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  const auto [mean, sd] = moments(values);
  if (sd == 0) return mean < bound ? 0.0 : 1.0;
  return boost::math::cdf(StudentsT(n - 1), (mean - bound) / (sd / std::sqrt(n)));
}

std::optional<double> p_above(std::span<const double> values, double bound) {
  std::vector<double> turned(values.begin(), values.end());
  for (double& x : turned) x = -x;
  return p_below(turned, -bound);
}

std::optional<double> p_equivalent(std::span<const double> values, double margin) {
  const auto below = p_below(values, margin), above = p_above(values, -margin);
  if (!below || !above) return std::nullopt;
  return std::max(*below, *above);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p[a] < p[b]; });
  std::vector<double> out(p.size());
  double running = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    running = std::max(running, static_cast<double>(p.size() - rank) * p[order[rank]]);
    out[order[rank]] = std::min(1.0, running);
  }
  return out;
}

double detectable(double sd, std::int64_t n, double tail, double power) {
  KT_CHECK(n >= 2, "detectable: {} seeds", n);
  return (quantile_t(1 - tail, n) + quantile_t(power, n)) * sd / std::sqrt(static_cast<double>(n));
}

std::optional<std::int64_t> seeds_needed(double sd, double difference, double tail, double power,
                                         std::int64_t most) {
  // The detectable difference falls with n: halve the range.
  if (!(difference > 0) || most < 2 || detectable(sd, most, tail, power) > difference)
    return std::nullopt;
  std::int64_t no = 1, yes = most;
  while (yes - no > 1) {
    const std::int64_t middle = no + (yes - no) / 2;
    (detectable(sd, middle, tail, power) <= difference ? yes : no) = middle;
  }
  return yes;
}

double blind_sd(std::span<const double> differences) {
  double squares = 0;
  for (const double d : differences) squares += d * d;
  return differences.empty() ? 0.0 : std::sqrt(squares / static_cast<double>(differences.size()));
}

}  // namespace ktrain::experiment
