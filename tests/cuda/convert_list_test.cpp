// Lists of weights in Bfloat16 against the CPU's, to the bit.
#include "kernels/convert_list.h"

#include <vector>

#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Vectors = std::vector<std::vector<float>>;

std::vector<std::uint16_t> bits(const std::vector<Bfloat16>& values) {
  std::vector<std::uint16_t> all;
  for (const Bfloat16 value : values) all.push_back(value.bits);
  return all;
}

std::vector<std::vector<std::uint16_t>> on_device(const Vectors& vectors, std::int64_t offset) {
  const Stream stream;
  CudaStream const s = stream.get();
  std::vector<DeviceView<float>> x;
  std::vector<DeviceView<Bfloat16>> y;
  std::vector<Conversion> list;
  x.reserve(vectors.size()), y.reserve(vectors.size());
  std::int64_t filled = 0;
  for (const std::vector<float>& values : vectors) {
    x.emplace_back(s, values, offset);
    y.emplace_back(std::ssize(values), offset);
    list.push_back({x.back().in(), y.back().span()});
    filled += !values.empty();
  }
  const DeviceCalls before = device_calls();
  cuda::convert_list(s, list);
  EXPECT_EQ((device_calls() - before)[DeviceCall::kLaunch], (filled + 119) / 120);
  std::vector<std::vector<std::uint16_t>> found;
  for (const auto& view : y) found.push_back(bits(view.to_host(s)));
  return found;
}

Vectors of_sizes(const std::vector<std::int64_t>& sizes) {
  Vectors all;
  for (const std::int64_t size : sizes)
    all.push_back(test::random_floats(size, static_cast<unsigned>(all.size())));
  return all;
}

// None, empty ones, one, chunks that end short, more arrays than a launch takes.
TEST(ConvertListCuda, AgreesWithTheCpuToTheBitAgainAndElsewhere) {
  KT_NEEDS_GPU();
  std::vector<std::int64_t> many;
  for (std::int64_t k = 0; k < 250; ++k) many.push_back(1 + k * 37 % 211);
  for (const Vectors& vectors :
       {of_sizes({}), of_sizes({0, 0}), of_sizes({1}), of_sizes({0, 3, 4096, 0, 4097, 5, 8191}),
        of_sizes(many), of_sizes({test::large(300007), 7})}) {
    std::vector<std::vector<std::uint16_t>> want;
    for (const std::vector<float>& x : vectors) {
      std::vector<Bfloat16> y(x.size());
      const Conversion one{test::span(x), test::span(y)};
      cpu::convert_list({&one, 1});
      want.push_back(bits(y));
    }
    for (const std::int64_t offset : {0, 0, 1, 4}) EXPECT_EQ(on_device(vectors, offset), want);
  }
}

TEST(ConvertListCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(3);
  const DeviceView<Bfloat16> y(2);
  const Conversion uneven{x.in(), y.span()};
  EXPECT_EQ(test::message_of([&] {
              cuda::convert_list(stream.get(), {&uneven, 1});
            }).rfind("convert_list: 2 elements from 3", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
