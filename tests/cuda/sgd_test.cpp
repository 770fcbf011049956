// The CUDA step against the CPU's, in float: the same operations in the same order, no contraction,
// so that every bit must agree, step after step.
#include "kernels/sgd.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;

struct Case {
  std::int64_t size, offset;
};

template <class T>
struct Weights {
  std::vector<T> weight, velocity;
};

constexpr SgdOptions kOptions{1e-2, 0.9, 0.1};

template <class T>
void cpu_step(Weights<T>& w, const Floats& gradient, T clip) {
  const auto row = sgd_numbers<T>(kOptions);
  const std::vector<T> g = test::cast<T>(gradient), numbers(row.begin(), row.end()), scale = {clip};
  const SgdTensor<T> all{span(g), span(w.weight), span(w.velocity)};
  cpu::sgd<T>({&all, 1}, span(numbers), span(scale));
}

class SgdCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, SgdCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{3, 1}, Case{33, 2},
                                         Case{1024, 0}, Case{1027, 3},
                                         Case{test::large(300007), 0}));

TEST_P(SgdCuda, FollowsTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Stream stream;
  const Floats start = test::random_floats(c.size, 1), zeros(start.size());
  Weights<float> f{start, zeros};
  Weights<double> d{test::cast<double>(start), test::Vec(start.size())};
  const DeviceView<float> weight(stream.get(), start, c.offset),
      velocity(stream.get(), zeros, c.offset), scale(stream.get(), {0.5f});
  const auto row = sgd_numbers<float>(kOptions);
  const DeviceView<float> numbers(stream.get(), Floats(row.begin(), row.end()));
  for (unsigned step = 1; step <= 3; ++step) {
    const Floats gradient = test::random_floats(c.size, 10 + step);
    const DeviceView<float> dg(stream.get(), gradient, c.offset);
    const SgdTensor<float> all{dg.in(), weight.span(), velocity.span()};
    cuda::sgd(stream.get(), {&all, 1}, numbers.in(), scale.in());
    cpu_step(f, gradient, 0.5f);
    cpu_step(d, gradient, 0.5);
  }
  EXPECT_TRUE(test::same_bits(weight.to_host(stream.get()), f.weight));
  EXPECT_TRUE(test::same_bits(velocity.to_host(stream.get()), f.velocity));
  // Three steps: a rounding of a weight below 1 each, and updates of 1e-2 known to 1e-6.
  EXPECT_TRUE(test::all_close(weight.to_host(stream.get()), d.weight, 3e-7, 0));
}

TEST(SgdCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> w(2), v(3), numbers(kSgdNumbers), one(1);
  const SgdTensor<float> uneven{w.in(), w.span(), v.span()};
  EXPECT_EQ(test::message_of([&] {
              cuda::sgd(stream.get(), {&uneven, 1}, numbers.in(), one.in());
            }).rfind("sgd: 2 weights, 2 gradients, 3 velocities", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
