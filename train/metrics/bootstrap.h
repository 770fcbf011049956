// How sure the difference between two detectors is: the paired bootstrap over images. Images are
// drawn with replacement, the same draws for both detectors, and the metric is computed anew; the
// interval is that between the percentiles (Efron and Tibshirani 1993, sec. 13.3).
//
// It speaks of other images of the same kind. It says nothing about other seeds: two runs of one
// plan that differ in their seed alone can differ by more.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "train/metrics/outcomes.h"

namespace ktrain::metrics {

struct BootstrapOptions {
  std::int64_t resamples = 2000;
  std::uint64_t seed = 1;
  double level = 0.95;
};

struct Interval {
  double value = 0;       // on the images as they are
  double lo = 0, hi = 0;  // NaN when a resample had no target to score
};

using ImageMetric = std::function<double(const Outcomes&, std::span<const std::uint32_t>)>;

// Differences of a metric, `right` minus `left`, one per resample. Draw i depends on seed, i and
// the number of images alone, so that several metrics share their resamples.
[[nodiscard]] std::vector<double> resampled_differences(const Outcomes& left, const Outcomes& right,
                                                        const ImageMetric& metric,
                                                        const BootstrapOptions& options);

// `right` minus `left`; both must be of the same images. Throws Error when they are not.
[[nodiscard]] Interval paired_difference(const Outcomes& left, const Outcomes& right,
                                         const ImageMetric& metric,
                                         const BootstrapOptions& options);

// Between the (1 - level) / 2 quantiles of `values`, by linear interpolation.
[[nodiscard]] Interval percentile_interval(double value, std::vector<double> values, double level);

}  // namespace ktrain::metrics
