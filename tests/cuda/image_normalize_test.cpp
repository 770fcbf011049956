// The CUDA normalisation of bytes against the CPU's: the same quotients, every bit.
#include "kernels/image_normalize.h"

#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Bytes = std::vector<std::uint8_t>;
using Sizes = std::vector<std::int32_t>;

constexpr ImageStatistics kStatistics{{123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}};

struct Case {
  std::int64_t height, width;
  Sizes sizes;  // of each image

  [[nodiscard]] std::int64_t batch() const { return std::ssize(sizes) / 2; }
  [[nodiscard]] std::int64_t size() const { return batch() * height * width * 3; }
  template <class T>
  [[nodiscard]] Nhwc<T> view(T* data) const {
    return {data, batch(), height, width, 3};
  }
};
class ImageNormalizeCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ImageNormalizeCuda,
                         testing::Values(Case{1, 1, {1, 1}}, Case{9, 8, {9, 8, 5, 7}},
                                         Case{17, 21, {17, 20, 0, 0, 3, 21, 16, 1}},
                                         Case{8, 400, {8, 399, 7, 342}},
                                         Case{3, 5, {900, 900, -1, 5, 3, -7}}, Case{4, 4, {}},
                                         Case{0, 4, {0, 0}},
                                         Case{test::large(512), 130, {30, 129, 500, 128}}));

// Every byte occurs in every channel of a large image.
Bytes bytes_of(std::int64_t size) {
  std::mt19937 engine(3);
  Bytes bytes(static_cast<std::size_t>(size));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine() >> 24);
  return bytes;
}

TEST_P(ImageNormalizeCuda, AgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Bytes x = bytes_of(c.size());
  std::vector<float> want(x.size());
  cpu::image_normalize<float>(c.view(x.data()), {c.sizes.data(), c.batch(), 2}, c.view(want.data()),
                              kStatistics);
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<std::int32_t> sizes(s, c.sizes);
  for (const std::int64_t offset : {0, 0, 1, 2}) {
    const DeviceView<std::uint8_t> dx(s, x, offset);
    const DeviceView<float> y(c.size(), offset % 2);
    cuda::image_normalize<float>(s, c.view(dx.data()), {sizes.data(), c.batch(), 2},
                                 c.view(y.data()), kStatistics);
    EXPECT_TRUE(test::same_bits(y.to_host(s), want)) << offset;
  }
}

TEST(ImageNormalizeCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<std::uint8_t> x(12);
  const DeviceView<float> y(12);
  const DeviceView<std::int32_t> sizes(2);
  const auto message = [&](std::int64_t channels, std::int64_t rows) {
    return test::message_of([&] {
      cuda::image_normalize<float>(stream.get(), {x.data(), 1, 2, 2, channels},
                                   {sizes.data(), rows, 2}, {y.data(), 1, 2, 2, channels},
                                   kStatistics);
    });
  };
  EXPECT_THAT(message(1, 1), testing::StartsWith("image_normalize: x is 1x2x2x1"));
  EXPECT_THAT(message(3, 2), testing::HasSubstr("sizes are 2x2 for a batch of 1"));
}

}  // namespace
}  // namespace ktrain
