#include "kernels/step_numbers.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/adamw.h"
#include "kernels/sgd.h"
#include "tests/support/cuda.h"

namespace ktrain {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Of `count` sources every third is an integer.
void compare(int count, std::int64_t guarded, std::vector<float> values, std::int32_t before) {
  values.resize(32, 1.0f);
  std::vector<std::int32_t> integers(32);
  for (std::size_t k = 0; k < 32; ++k) integers[k] = static_cast<std::int32_t>(k) * 1000003;
  const Stream stream;
  const test::DeviceView<float> dvalues(stream.get(), values);
  const test::DeviceView<std::int32_t> dintegers(stream.get(), integers);
  NumberSources on_host, on_device;
  on_host.count = on_device.count = count;
  for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
    if (k % 3 == 2) {
      on_host.integers[k] = &integers[k];
      on_device.integers[k] = dintegers.data() + k;
    } else {
      on_host.floats[k] = &values[k];
      on_device.floats[k] = dvalues.data() + k;
    }
  }
  std::vector<float> numbers(static_cast<std::size_t>(count));
  float factor = 0.5f;
  std::int32_t stopped = before;
  cpu::step_numbers(on_host, guarded, {numbers.data(), count}, {&stopped, 1}, {&factor, 1});
  const test::DeviceView<float> dnumbers(stream.get(), std::vector<float>(numbers.size(), -7.0f));
  const test::DeviceView<float> dfactor(stream.get(), {0.5f});
  const test::DeviceView<std::int32_t> dstopped(stream.get(), {before});
  cuda::step_numbers(stream.get(), on_device, guarded, dnumbers.span(), dstopped.span(),
                     dfactor.span());
  EXPECT_TRUE(test::same_bits(dnumbers.to_host(stream.get()), numbers));
  EXPECT_EQ(dstopped.to_host(stream.get())[0], stopped);
  EXPECT_TRUE(test::same_bits(dfactor.to_host(stream.get()), {factor}));
}

TEST(CudaStepNumbers, IsTheCpus) {
  KT_NEEDS_GPU();
  compare(0, 0, {}, 0);
  compare(0, 0, {}, 1);
  compare(1, 1, {2.5f}, 0);
  compare(1, 0, {kNan}, 0);
  compare(5, 2, {1, kInf, 3, 4, 5}, 0);
  compare(5, 2, {1, 2, 3, kNan, kInf}, 0);
  compare(32, 32, {1, 2, 3, 4, -kInf}, 0);
  compare(32, 32, {}, 0);
  compare(32, 32, {}, 3);
}

TEST(CudaStepNumbers, ANanFactorLeavesWeightsAndStateAsTheyAre) {
  KT_NEEDS_GPU();
  const Stream stream;
  const std::vector<float> w = test::random_floats(1001, 1), g = test::random_floats(1001, 2),
                           m = test::random_floats(1001, 3), v = test::random_floats(1001, 4, 0, 1);
  const auto adam = adamw_numbers<float>({}, 3);
  const auto plain = sgd_numbers<float>({});
  const test::DeviceView<float> dw(stream.get(), w), dg(stream.get(), g), dm(stream.get(), m),
      dv(stream.get(), v), factor(stream.get(), {kNan}),
      numbers(stream.get(), std::vector<float>(adam.begin(), adam.end())),
      rates(stream.get(), std::vector<float>(plain.begin(), plain.end()));
  const AdamwTensor<float> adamw_all{dg.in(), dw.span(), dm.span(), dv.span()};
  const SgdTensor<float> sgd_all{dg.in(), dw.span(), dm.span()};
  cuda::adamw(stream.get(), {&adamw_all, 1}, numbers.in(), factor.in());
  cuda::sgd(stream.get(), {&sgd_all, 1}, rates.in(), factor.in());
  EXPECT_TRUE(test::same_bits(dw.to_host(stream.get()), w));
  EXPECT_TRUE(test::same_bits(dm.to_host(stream.get()), m));
  EXPECT_TRUE(test::same_bits(dv.to_host(stream.get()), v));
  std::vector<float> w2 = w, m2 = m, v2 = v;
  const auto span = [](std::vector<float>& x) { return Span<float>{x.data(), std::ssize(x)}; };
  const AdamwTensor<float> adamw_host{{g.data(), 1001}, span(w2), span(m2), span(v2)};
  const SgdTensor<float> sgd_host{{g.data(), 1001}, span(w2), span(m2)};
  cpu::adamw<float>({&adamw_host, 1}, {adam.data(), std::ssize(adam)}, {&kNan, 1});
  cpu::sgd<float>({&sgd_host, 1}, {plain.data(), std::ssize(plain)}, {&kNan, 1});
  EXPECT_TRUE(test::same_bits(w2, w));
  EXPECT_TRUE(test::same_bits(m2, m));
  EXPECT_TRUE(test::same_bits(v2, v));
}

}  // namespace
}  // namespace ktrain
