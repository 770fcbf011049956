// The CUDA concatenation against the CPU's: copies, every bit.
#include "kernels/concat_channels.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

struct Case {
  std::int64_t batch, height, width, first, second;

  [[nodiscard]] std::int64_t size(std::int64_t channels) const {
    return batch * height * width * channels;
  }
  template <class T>
  [[nodiscard]] Nhwc<T> view(T* data, std::int64_t channels) const {
    return {data, batch, height, width, channels};
  }
};

class ConcatCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ConcatCuda,
                         testing::Values(Case{1, 1, 1, 1, 1}, Case{2, 5, 7, 4, 8},
                                         Case{1, 3, 3, 3, 5}, Case{1, 9, 4, 2, 6},
                                         Case{2, 3, 2, 260, 256}, Case{1, 2, 2, 700, 4},
                                         Case{2, 4, 4, 0, 12}, Case{1, 4, 4, 7, 0},
                                         Case{0, 4, 4, 4, 4}, Case{1, 1, test::large(70001), 1, 2},
                                         Case{1, test::large(640), 30, 16, 16}));

TEST_P(ConcatCuda, AgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const std::int64_t all = c.first + c.second;
  const Floats a = test::random_floats(c.size(c.first), 1);
  const Floats b = test::random_floats(c.size(c.second), 2);
  const Floats dy = test::random_floats(c.size(all), 3);
  Floats y(dy.size()), da(a.size()), db(b.size());
  cpu::concat_channels_forward<float>(c.view(a.data(), c.first), c.view(b.data(), c.second),
                                      c.view(y.data(), all));
  cpu::concat_channels_backward<float>(c.view(dy.data(), all), c.view(da.data(), c.first),
                                       c.view(db.data(), c.second), c.first);
  const Stream stream;
  CudaStream const s = stream.get();
  for (const std::int64_t offset : {0, 0, 1, 4}) {
    const DeviceView<float> ga(s, a, offset), gb(s, b), gdy(s, dy, offset), gy(c.size(all), offset),
        gda(c.size(c.first), offset), gdb(c.size(c.second));
    cuda::concat_channels_forward(s, c.view(ga.data(), c.first), c.view(gb.data(), c.second),
                                  c.view(gy.data(), all));
    EXPECT_TRUE(test::same_bits(gy.to_host(s), y));
    cuda::concat_channels_backward(s, c.view(gdy.data(), all), c.view(gda.data(), c.first),
                                   c.view(gdb.data(), c.second), c.first);
    EXPECT_TRUE(test::same_bits(gda.to_host(s), da));
    EXPECT_TRUE(test::same_bits(gdb.to_host(s), db));
  }
}

TEST_P(ConcatCuda, OnePartOfTheGradientMayBeMissing) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const std::int64_t all = c.first + c.second;
  const Floats dy = test::random_floats(c.size(all), 3);
  Floats da(static_cast<std::size_t>(c.size(c.first))),
      db(static_cast<std::size_t>(c.size(c.second)));
  cpu::concat_channels_backward<float>(c.view(dy.data(), all), c.view(da.data(), c.first),
                                       c.view(db.data(), c.second), c.first);
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<float> gdy(s, dy), gda(c.size(c.first)), gdb(c.size(c.second));
  cuda::concat_channels_backward(s, c.view(gdy.data(), all), c.view(gda.data(), c.first), {},
                                 c.first);
  EXPECT_TRUE(test::same_bits(gda.to_host(s), da));
  cuda::concat_channels_backward(s, c.view(gdy.data(), all), {}, c.view(gdb.data(), c.second),
                                 c.first);
  EXPECT_TRUE(test::same_bits(gdb.to_host(s), db));
}

TEST(ConcatCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> v(32);
  EXPECT_THAT(test::message_of([&] {
                cuda::concat_channels_forward(stream.get(), {v.data(), 1, 2, 2, 2},
                                              {v.data(), 1, 2, 2, 3}, {v.data(), 1, 2, 2, 4});
              }),
              testing::HasSubstr("a is 1x2x2x2, b 1x2x2x3, y 1x2x2x4"));
  EXPECT_THAT(test::message_of([&] {
                cuda::concat_channels_backward(stream.get(), {v.data(), 1, 2, 2, 5},
                                               {v.data(), 1, 2, 2, 2}, {}, 3);
              }),
              testing::HasSubstr("da is 4 pixels of 2 channels, wanted 4 of 3"));
}

}  // namespace
}  // namespace ktrain
