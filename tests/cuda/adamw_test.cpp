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
  const AdamwTensor<T> all{{g.data(), n}, {w.weight.data(), n}, {w.m.data(), n}, {w.v.data(), n}};
  cpu::adamw<T>({&all, 1}, {numbers.data(), kAdamwNumbers}, {&clip, 1});
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
    const AdamwTensor<float> all{dg.in(), weight.span(), m.span(), v.span()};
    cuda::adamw(stream.get(), {&all, 1}, dn.in(), scale.in());
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
  const AdamwTensor<float> uneven{w.in(), w.span(), w.span(), v.span()},
      even{w.in(), w.span(), w.span(), w.span(), 1};
  const auto message = [&](const AdamwTensor<float>& one_tensor) {
    return test::message_of([&] {
      cuda::adamw(stream.get(), {&one_tensor, 1}, numbers.in(), one.in());
    });
  };
  EXPECT_EQ(message(uneven).rfind("adamw: 2 weights, 2 gradients, 2 first and 3 second moments", 0),
            0u);
  EXPECT_EQ(message(even).rfind("adamw: row 1 of 7 numbers, wanted one of rows of 7", 0), 0u);
}

// More tensors than a launch takes, some without an element, some at odd addresses, of two rates.
TEST(AdamwCudaLists, EveryTensorMovesByItsOwnRow) {
  KT_NEEDS_GPU();
  const Stream stream;
  std::vector<std::int64_t> sizes;
  for (std::int64_t k = 0; k < 170; ++k)
    sizes.push_back(k % 7 == 0 ? 0 : k == 100 ? test::large(9001) : 1 + k % 13 * (k % 5));
  Floats rows;
  for (const double rate : {1e-2, 3e-4}) {
    const auto row = adamw_numbers<float>({rate, 0.9, 0.999, 1e-8, 0.1}, 2);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  const float clip = 0.5f;
  const DeviceView<float> numbers(stream.get(), rows), scale(stream.get(), {clip});
  std::vector<Floats> gradients;
  std::vector<Weights<float>> wanted;
  std::vector<DeviceView<float>> views;
  views.reserve(4 * sizes.size());
  std::vector<AdamwTensor<float>> tensors;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const auto seed = static_cast<unsigned>(k);
    gradients.push_back(test::random_floats(sizes[k], seed));
    wanted.push_back({test::random_floats(sizes[k], 500 + seed),
                      test::random_floats(sizes[k], 1000 + seed), Floats(gradients[k].size(), 1)});
    const auto put = [&](const Floats& values) {
      return views.emplace_back(stream.get(), values, static_cast<std::int64_t>(k % 3)).span();
    };
    const Span<float> g = put(gradients[k]), w = put(wanted[k].weight), m = put(wanted[k].m),
                      v = put(wanted[k].v);
    tensors.push_back({{g.data, g.size}, w, m, v, static_cast<std::int64_t>(k % 2)});
  }
  cuda::adamw(stream.get(), {tensors.data(), std::ssize(tensors)}, numbers.in(), scale.in());
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const auto n = sizes[k];
    const AdamwTensor<float> one{{gradients[k].data(), n},
                                 {wanted[k].weight.data(), n},
                                 {wanted[k].m.data(), n},
                                 {wanted[k].v.data(), n},
                                 static_cast<std::int64_t>(k % 2)};
    cpu::adamw<float>({&one, 1}, {rows.data(), std::ssize(rows)}, {&clip, 1});
    EXPECT_TRUE(test::same_bits(views[4 * k + 1].to_host(stream.get()), wanted[k].weight)) << k;
    EXPECT_TRUE(test::same_bits(views[4 * k + 2].to_host(stream.get()), wanted[k].m)) << k;
    EXPECT_TRUE(test::same_bits(views[4 * k + 3].to_host(stream.get()), wanted[k].v)) << k;
  }
}

}  // namespace
}  // namespace ktrain
