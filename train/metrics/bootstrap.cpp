#include "train/metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/random.h"

namespace ktrain::metrics {
namespace {

constexpr std::uint32_t kStream = 0x626f6f;  // "boo"

void check_same_images(const Outcomes& left, const Outcomes& right) {
  KT_CHECK(left.targets == right.targets && !left.targets.empty(),
           "paired bootstrap: the two sides are of different images ({} and {})",
           left.targets.size(), right.targets.size());
}

// How often each image was drawn.
void draw(std::uint64_t seed, std::int64_t resample, std::vector<std::uint32_t>& times) {
  std::fill(times.begin(), times.end(), 0u);
  const RandomKey key{seed, kStream, 0};
  const auto images = static_cast<std::uint32_t>(times.size());
  for (std::uint32_t i = 0; i < images; ++i)
    ++times[uniform_integer(key, static_cast<std::uint32_t>(resample), i, images)];
}

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = at - static_cast<double>(below);
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

}  // namespace

std::vector<double> resampled_differences(const Outcomes& left, const Outcomes& right,
                                          const ImageMetric& metric,
                                          const BootstrapOptions& options) {
  check_same_images(left, right);
  KT_CHECK(options.resamples >= 1, "paired bootstrap: {} resamples", options.resamples);
  std::vector<double> out(static_cast<std::size_t>(options.resamples));
  constexpr std::int64_t kGrain = 16;
  parallel_chunks(options.resamples, kGrain,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    std::vector<std::uint32_t> times(left.targets.size());
                    for (std::int64_t i = begin; i < end; ++i) {
                      draw(options.seed, i, times);
                      out[static_cast<std::size_t>(i)] = metric(right, times) - metric(left, times);
                    }
                  });
  return out;
}

Interval percentile_interval(double value, std::vector<double> values, double level) {
  KT_CHECK(level > 0 && level < 1 && !values.empty(), "interval: level {} of {} values", level,
           values.size());
  for (const double v : values)
    if (std::isnan(v)) return {value, std::nan(""), std::nan("")};
  std::sort(values.begin(), values.end());
  return {value, quantile(values, (1 - level) / 2), quantile(values, (1 + level) / 2)};
}

Interval paired_difference(const Outcomes& left, const Outcomes& right, const ImageMetric& metric,
                           const BootstrapOptions& options) {
  check_same_images(left, right);
  const std::vector<std::uint32_t> once(left.targets.size(), 1);
  return percentile_interval(metric(right, once) - metric(left, once),
                             resampled_differences(left, right, metric, options), options.level);
}

}  // namespace ktrain::metrics
