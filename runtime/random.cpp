#include "runtime/random.h"

#include <cmath>
#include <vector>

#include "runtime/crc32c.h"

namespace ktrain {
namespace {

double taps(const Shape& shape) {
  double product = 1;
  for (int axis = 1; axis + 1 < shape.rank(); ++axis) product *= static_cast<double>(shape[axis]);
  return product;
}

}  // namespace

Initial xavier_uniform(const Shape& shape) {
  const double fans = taps(shape) * static_cast<double>(shape[0] + shape[-1]);
  return {Initial::Kind::kUniform, std::sqrt(6.0 / fans)};
}

Initial kaiming_normal(const Shape& shape) {
  return normal(std::sqrt(2.0 / (taps(shape) * static_cast<double>(shape[0]))));
}

Tensor initial_tensor(const ContextPtr& context, const Shape& shape, const Initial& initial,
                      std::uint64_t seed, std::string_view name) {
  if (context->queue.planning) return Tensor::empty(context, shape);
  const RandomKey key = random_key(seed, RandomStream::kInitialWeights);
  const std::uint32_t sample = crc32c(name.data(), name.size());
  std::vector<float> values(static_cast<std::size_t>(shape.size()),
                            static_cast<float>(initial.scale));
  if (initial.kind == Initial::Kind::kIdentity)
    for (std::int64_t i = 0; i < shape.size(); ++i)
      if (i / (shape.size() / shape[0]) != i % shape[-1] % shape[0])
        values[static_cast<std::size_t>(i)] = 0;
  const Span<float> out{values.data(), shape.size()};
  if (initial.kind == Initial::Kind::kUniform)
    cpu::fill_uniform(key, sample, out, -initial.scale, initial.scale);
  if (initial.kind == Initial::Kind::kNormal) cpu::fill_normal(key, sample, out, 0, initial.scale);
  return Tensor::from<float>(context, shape, values);
}

}  // namespace ktrain
