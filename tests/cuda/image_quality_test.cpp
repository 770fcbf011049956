// The CUDA image quality against the CPU's, in double and in float.
#include "kernels/image_quality.h"

#include <cmath>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Bytes = std::vector<std::uint8_t>;
using Sizes = std::vector<std::int32_t>;

struct Case {
  std::int64_t height, width;
  Sizes sizes;  // of each image

  [[nodiscard]] std::int64_t batch() const { return std::ssize(sizes) / 2; }
  [[nodiscard]] Nhwc<const std::uint8_t> view(const std::uint8_t* data) const {
    return {data, batch(), height, width, 3};
  }
};
class ImageQualityCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ImageQualityCuda,
                         testing::Values(Case{8, 8, {8, 8}},
                                         Case{9, 17, {9, 17, 8, 16, 7, 17, 9, 7}},
                                         Case{40, 300, {40, 300, 33, 257, 40, 256, 39, 255}},
                                         Case{7, 90, {7, 90}}, Case{24, 7, {24, 7}},
                                         Case{16, 64, {900, 900, -1, 64}}, Case{32, 40, {}},
                                         Case{test::large(280) + 16, 64, {278, 60, 100, 64}}));

// Blocks of grey under noise whose strength differs from image to image; the last one is even.
Bytes images_of(const Case& c) {
  std::mt19937 engine(3);
  Bytes bytes;
  for (std::int64_t n = 0; n < c.batch(); ++n)
    for (std::int64_t h = 0; h < c.height; ++h)
      for (std::int64_t i = 0; i < c.width * 3; ++i) {
        const auto noise = static_cast<unsigned>(engine()) % static_cast<unsigned>(1 + 20 * n);
        const unsigned grey = (h / 16 + i / 48) % 2 == 0 ? 40 : 140;
        bytes.push_back(static_cast<std::uint8_t>(n > 0 && n + 1 == c.batch() ? 77 : grey + noise));
      }
  return bytes;
}

template <class T>
std::vector<T> on_cpu(const Bytes& x, const Case& c) {
  std::vector<T> quality(static_cast<std::size_t>(c.batch()));
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(image_quality_scratch_bytes(c.batch(), c.height)));
  cpu::image_quality<T>(c.view(x.data()), test::rows(c.sizes, 2), test::span(quality),
                        test::span(scratch));
  return quality;
}

std::vector<float> on_device(const Bytes& x, const Case& c, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<std::uint8_t> dx(s, x, offset);
  const DeviceView<std::int32_t> sizes(s, c.sizes);
  const DeviceView<float> quality(c.batch());
  const DeviceView<std::byte> scratch(image_quality_scratch_bytes(c.batch(), c.height));
  cuda::image_quality(s, c.view(dx.data()), {sizes.data(), c.batch(), 2}, quality.span(),
                      scratch.span());
  return quality.to_host(s);
}

TEST_P(ImageQualityCuda, AgreesWithTheCpuAndWithItself) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Bytes x = images_of(c);
  const std::vector<float> got = on_device(x, c);
  // Exact sums here, 1e-16 by pixel there; structure, where there is any, is above 1e-4 of what it
  // is the difference of. One rounding to float.
  EXPECT_TRUE(test::all_close(got, on_cpu<double>(x, c), 1e-9, 6.1e-8));
  EXPECT_TRUE(test::all_close(got, on_cpu<float>(x, c), 1e-9, 1.2e-7));
  for (const std::int64_t offset : {0, 1})
    EXPECT_TRUE(test::same_bits(on_device(x, c, offset), got));
}

TEST(ImageQualityCudaValues, NothingToSeeIsNothing) {
  KT_NEEDS_GPU();
  EXPECT_EQ(on_device(Bytes(16 * 16 * 3, 200), {16, 16, {16, 16}})[0], 0);
  EXPECT_GT(on_device(images_of({32, 32, {32, 32}}), {32, 32, {32, 32}})[0], 0.5f);
}

TEST(ImageQualityCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<std::uint8_t> x(192);
  const DeviceView<float> quality(1);
  const DeviceView<std::int32_t> sizes(2);
  const DeviceView<std::byte> small(8);
  const auto message = [&](std::int64_t channels) {
    return test::message_of([&] {
      cuda::image_quality(stream.get(), {x.data(), 1, 8, 8, channels}, {sizes.data(), 1, 2},
                          quality.span(), small.span());
    });
  };
  EXPECT_THAT(message(1), testing::StartsWith("image_quality: x is 1x8x8x1"));
  EXPECT_THAT(message(3), testing::HasSubstr("scratch has 8 bytes, 64 or more wanted"));
}

}  // namespace
}  // namespace ktrain
