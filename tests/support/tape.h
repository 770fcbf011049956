// Central differences through the tape, in float, under a random cotangent.
#pragma once

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "runtime/autograd.h"

namespace ktrain::test {

// A leaf of even random numbers from [low, high).
inline Tensor random_leaf(const ContextPtr& context, const Shape& shape, unsigned seed,
                          float low = -1, float high = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (float& value : values) value = draw(engine);
  Tensor leaf = Tensor::from<float>(context, shape, values);
  leaf.set_requires_grad(true);
  return leaf;
}

// The largest difference between the tape's gradient and central differences over all elements of
// all leaves, relative to the largest gradient of its leaf. NaN gives infinity. In float a step of
// 1e-2 and sums of some hundred terms leave an error of about 1e-3: the kernels' own double checks
// are the sharp ones, this one finds a gradient that reaches the wrong input.
inline double tape_error(const std::function<Tensor(const std::vector<Tensor>&)>& op,
                         std::vector<Tensor> leaves, float step = 1e-2f) {
  const Tensor y = op(leaves);
  const Tensor dy = random_leaf(y.context(), y.shape(), 99).detached();
  const std::vector<float> cotangent = dy.to_vector<float>();
  const auto got = gradients({&y, 1}, {&dy, 1}, leaves);
  double worst = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!got[i].defined()) return INFINITY;
    const std::vector<float> dx = got[i].to_vector<float>();
    std::vector<float> values = leaves[i].to_vector<float>();
    double scale = 1e-3;
    for (const float d : dx) scale = std::fmax(scale, std::abs(d));
    const auto value_at = [&] {
      leaves[i].copy_from<float>(values);
      const std::vector<float> out = op(leaves).to_vector<float>();
      double sum = 0;
      for (std::size_t k = 0; k < out.size(); ++k) sum += double{cotangent[k]} * out[k];
      return sum;
    };
    for (std::size_t k = 0; k < values.size(); ++k) {
      const float keep = values[k];
      values[k] = keep + step;
      const double up = value_at();
      values[k] = keep - step;
      const double down = value_at();
      values[k] = keep;
      const double error = std::abs((up - down) / (2.0 * step) - dx[k]) / scale;
      if (!(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
    }
    leaves[i].copy_from<float>(values);
  }
  return worst;
}

}  // namespace ktrain::test
