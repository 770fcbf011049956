// The CUDA step against the CPU's, in float: the same operations in the same order, IEEE square
// root and division, no contraction, so that every bit must agree, step after step.
#include "kernels/adamw.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

struct Case {
  std::int64_t size, offset;
};

template <class T>
struct Weights {
  std::vector<T> weight, m, v;
};

template <class T>
void cpu_step(Weights<T>& w, const Floats& gradient, int step, T clip) {
  const auto numbers = adamw_numbers<T>({1e-2, 0.9, 0.999, 1e-8, 0.1}, step);
  const auto n = static_cast<std::int64_t>(gradient.size());
  const std::vector<T> g(gradient.begin(), gradient.end());
  cpu::adamw(Span<const T>{g.data(), n}, Span<const T>{numbers.data(), kAdamwNumbers},
             Span<const T>{&clip, 1}, Span<T>{w.weight.data(), n}, Span<T>{w.m.data(), n},
             Span<T>{w.v.data(), n});
}

class AdamwCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, AdamwCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{3, 1}, Case{31, 0},
                                         Case{33, 2}, Case{1024, 0}, Case{1027, 3},
                                         Case{test::large(300007), 0}));

TEST_P(AdamwCuda, FollowsTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Stream stream;
  const Floats start = test::random_floats(c.size, 1), zeros(start.size());
  Weights<float> f{start, zeros, zeros};
  Weights<double> d{test::cast<double>(start), test::Vec(start.size()), test::Vec(start.size())};
  const DeviceView<float> weight(stream.get(), start, c.offset), m(stream.get(), zeros, c.offset),
      v(stream.get(), zeros, c.offset);
  const float clip = 0.5f;
  const DeviceView<float> scale(stream.get(), {clip});
  for (int step = 1; step <= 3; ++step) {
    Floats gradient = test::random_floats(c.size, static_cast<unsigned>(10 + step));
    if (!gradient.empty()) gradient.back() = 0;  // eps alone under the division
    const auto numbers = adamw_numbers<float>({1e-2, 0.9, 0.999, 1e-8, 0.1}, step);
    const DeviceView<float> dg(stream.get(), gradient, c.offset),
        dn(stream.get(), Floats(numbers.begin(), numbers.end()));
    cuda::adamw(stream.get(), dg.in(), dn.in(), scale.in(), weight.span(), m.span(), v.span());
    cpu_step(f, gradient, step, clip);
    cpu_step(d, gradient, step, 0.5);
  }
  EXPECT_TRUE(test::same_bits(weight.to_host(stream.get()), f.weight));
  EXPECT_TRUE(test::same_bits(m.to_host(stream.get()), f.m));
  EXPECT_TRUE(test::same_bits(v.to_host(stream.get()), f.v));
  // Three steps: a rounding of a weight below 1 (6e-8) each and an update of 1e-2 whose parts are
  // known to 1e-6 of themselves.
  EXPECT_TRUE(test::all_close(weight.to_host(stream.get()), d.weight, 3e-7, 0));
}

TEST(AdamwCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> w(2), v(3), numbers(kAdamwNumbers), one(1);
  EXPECT_EQ(test::message_of([&] {
              cuda::adamw(stream.get(), w.in(), numbers.in(), one.in(), w.span(), w.span(),
                          v.span());
            }).rfind("adamw: 2 weights, 2 gradients, 2 first and 3 second moments", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
