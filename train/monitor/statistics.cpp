#include "train/monitor/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include "kernels/check.h"

namespace ktrain {

double normal_quantile(double p) {
  KT_CHECK(p > 0 && p < 1, "quantile: found p = {}, wanted 0 < p < 1", p);
  return boost::math::quantile(boost::math::normal(), p);
}

double student_quantile(double p, double degrees) {
  KT_CHECK(p > 0 && p < 1 && degrees > 0, "quantile: found p = {} and {} degrees of freedom", p,
           degrees);
  return boost::math::quantile(boost::math::students_t(degrees), p);
}

double sequence_half_width(std::int64_t n, double sd, double alpha) {
  KT_CHECK(n >= 1 && sd >= 0 && alpha > 0 && alpha < 0.5,
           "confidence sequence: found n = {}, sd = {}, alpha = {}", n, sd, alpha);
  const double log_level = -2 * std::log(2 * alpha);
  // eta^2 of the sequence that is narrowest at n = 50. Towards alpha = 1/2 the rule has no root.
  const double eta2 = (log_level + std::log(std::max(log_level, 1e-9)) + 1) / 50;
  KT_CHECK(eta2 > 0, "confidence sequence: alpha = {} is too close to 1/2", alpha);
  const double count = static_cast<double>(n), scaled = count * eta2 + 1;
  return sd * std::sqrt(2 * scaled / (count * count * eta2) *
                        std::log(1 + std::sqrt(scaled) / (2 * alpha)));
}

double correlation_inflation(double r1) {
  const double r = std::clamp(r1, 0.0, 0.999);
  return std::sqrt((1 + r) / (1 - r));
}

void SeriesMoments::add(double x) {
  State& s = state_;
  if (s.n == 0) s.first = x;
  const double shifted = x - s.first;
  if (s.n > 0) {
    s.lag += shifted * (s.last - s.first);
    s.steps += (x - s.last) * (x - s.last);
  }
  s.sum += shifted;
  s.squares += shifted * shifted;
  s.last = x;
  ++s.n;
}

double SeriesMoments::mean() const {
  return state_.n == 0 ? 0 : state_.first + state_.sum / static_cast<double>(state_.n);
}

double SeriesMoments::sd() const {
  if (state_.n < 2) return 0;
  const double n = static_cast<double>(state_.n);
  return std::sqrt(std::max(0.0, state_.squares - state_.sum * state_.sum / n) / (n - 1));
}

double SeriesMoments::r1() const {
  if (state_.n < 3) return 0;
  const double n = static_cast<double>(state_.n), mean = state_.sum / n;
  const double spread = state_.squares - n * mean * mean;
  if (spread <= 0) return 0;
  // sum over neighbours of (x - mean)(y - mean); the first value is 0 after the shift.
  const double last = state_.last - state_.first;
  const double products = state_.lag - mean * (2 * state_.sum - last) + (n - 1) * mean * mean;
  return std::clamp(products / spread, -1.0, 1.0);
}

double SeriesMoments::local_sd() const {
  return state_.n < 2 ? 0 : std::sqrt(state_.steps / (2 * static_cast<double>(state_.n - 1)));
}

bool Cusum::add(double z, std::int64_t step) {
  if (state_.sum <= 0) state_.start = step;
  state_.sum = std::max(0.0, state_.sum + z - k_);
  const bool above = state_.sum > h_;
  if (above && state_.onset == 0) state_.onset = state_.start;
  return above;
}

double larger_proportion_p_value(const Proportion& a, const Proportion& b) {
  KT_CHECK(a.hits >= 0 && b.hits >= 0 && a.hits <= a.n && b.hits <= b.n,
           "proportions: found {} of {} and {} of {}", a.hits, a.n, b.hits, b.n);
  if (a.n == 0 || b.n == 0) return 1;
  const double na = static_cast<double>(a.n), nb = static_cast<double>(b.n);
  const double hits = static_cast<double>(a.hits + b.hits), pooled = hits / (na + nb);
  if (hits == 0 || pooled >= 1) return 1;
  const double rarer = std::min(pooled, 1 - pooled);
  if (std::min(na, nb) * rarer >= 5) {
    const double difference = static_cast<double>(a.hits) / na - static_cast<double>(b.hits) / nb;
    const double z = difference / std::sqrt(pooled * (1 - pooled) * (1 / na + 1 / nb));
    return boost::math::cdf(boost::math::complement(boost::math::normal(), z));
  }
  if (a.hits == 0) return 1;
  const boost::math::hypergeometric_distribution<> both(static_cast<unsigned>(a.hits + b.hits),
                                                        static_cast<unsigned>(a.n),
                                                        static_cast<unsigned>(a.n + b.n));
  // P(hits of a >= found) = 1 - P(<= found - 1), where found - 1 may lie below the support.
  const std::int64_t least = std::max<std::int64_t>(0, a.hits + b.hits - b.n);
  if (a.hits <= least) return 1;
  return boost::math::cdf(boost::math::complement(both, static_cast<unsigned>(a.hits - 1)));
}

Interval jackknife_interval(double value, std::span<const double> without, double confidence) {
  KT_CHECK(without.size() >= 2, "jackknife: found {} blocks, wanted at least 2", without.size());
  const double n = static_cast<double>(without.size());
  double mean = 0, squares = 0;
  for (const double x : without) mean += x / n;
  for (const double x : without) squares += (x - mean) * (x - mean);
  const double error = std::sqrt((n - 1) / n * squares);
  const double width = student_quantile(0.5 + confidence / 2, n - 1) * error;
  return {value, value - width, value + width, static_cast<std::int64_t>(without.size())};
}

std::optional<Interval> mean_interval(std::span<const double> values, double confidence) {
  SeriesMoments moments;
  for (const double x : values) moments.add(x);
  if (moments.n() < 2) return {};
  const double n = static_cast<double>(moments.n());
  const double width = student_quantile(0.5 + confidence / 2, n - 1) * moments.sd() *
                       correlation_inflation(moments.r1()) / std::sqrt(n);
  return Interval{moments.mean(), moments.mean() - width, moments.mean() + width, moments.n()};
}

std::optional<double> median_of(std::span<const double> values) {
  if (values.empty()) return {};
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

}  // namespace ktrain
