// Central differences against a backward, under a random cotangent: a plain sum of the output would
// not notice a softmax gradient that is wrong by a factor. NaN fails.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <random>
#include <vector>

namespace ktrain::test {

using Vec = std::vector<double>;

// Numbers drawn evenly from [low, high), the same for the same seed.
inline Vec random_vec(std::size_t size, unsigned seed, double low = -1, double high = 1) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> draw(low, high);
  Vec values(size);
  for (double& value : values) value = draw(engine);
  return values;
}

// The largest |numeric - dx| over all elements of x, where numeric is the central difference of
// <dy, forward(x)>. Infinity when anything is NaN.
inline double gradient_error(const std::function<Vec(const Vec&)>& forward, Vec x, const Vec& dy,
                             const Vec& dx, double step = 1e-5) {
  double worst = dx.size() == x.size() ? 0.0 : INFINITY;
  for (std::size_t i = 0; i < x.size() && std::isfinite(worst); ++i) {
    const double keep = x[i];
    x[i] = keep + step;
    const Vec up = forward(x);
    x[i] = keep - step;
    const Vec down = forward(x);
    x[i] = keep;
    double numeric = 0.0;
    for (std::size_t k = 0; k < dy.size(); ++k) numeric += dy[k] * (up[k] - down[k]) / (2 * step);
    const double error = std::abs(numeric - dx[i]);
    worst = std::isnan(error) ? INFINITY : std::fmax(worst, error);
  }
  return worst;
}

}  // namespace ktrain::test
