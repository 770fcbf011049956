#include "train/monitor/random_sign.h"

#include <cmath>

#include "kernels/random_sign.h"
#include "runtime/autograd.h"
#include "runtime/box_views.h"

namespace ktrain {
namespace {

// Above the streams of runtime/random.h, which grow from 1.
constexpr std::uint32_t kStream = 0x800001;

SignKey key_of(std::uint64_t seed, const Tensor& now) {
  return {seed, kStream, now.span<std::int32_t>()};
}

}  // namespace

Tensor random_sign_sum(const std::vector<Tensor>& maps, std::uint64_t seed, const Tensor& now) {
  KT_CHECK(!maps.empty(), "random signs: no map");
  std::int64_t elements = 0;
  std::vector<Span<const float>> spans;
  for (const Tensor& map : maps) {
    elements += map.size();
    spans.push_back(map.span<float>());
  }
  const Span<const Span<const float>> all{spans.data(), std::ssize(spans)};
  const double scale = double{1 / std::sqrt(static_cast<float>(elements))};
  Tensor value = Tensor::empty(maps[0].context(), {1});
  Tensor scratch = scratch_bytes(value, random_sign_scratch_bytes(all));
  KT_RUN(value.queue(), random_sign_sum, key_of(seed, now), all, value.mutable_span<float>(),
         bytes_of(scratch), scale);
  std::vector<Shape> shapes;
  for (const Tensor& map : maps) shapes.push_back(map.shape());
  return record("random_sign_sum", maps, value,
                [seed, now, scale, shapes](const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results(shapes.size());
                  for (std::size_t m = 0; m < shapes.size(); ++m) {
                    if (!wanted[m]) continue;
                    results[m] = Tensor::empty(dy.context(), shapes[m]);
                    KT_RUN(dy.queue(), random_sign_backward, key_of(seed, now),
                           static_cast<std::uint32_t>(m), dy.span<float>(),
                           results[m].mutable_span<float>(), scale);
                  }
                  return results;
                });
}

}  // namespace ktrain
