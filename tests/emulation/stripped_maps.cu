// The project's own kernels on maps, images and random numbers, compiled without their barriers
// (without_barriers.h).
#include "kernels/image_normalize.h"
#include "kernels/image_quality.h"
#include "kernels/mean_pixels.h"
#include "kernels/norm.h"
#include "kernels/pixel_gate.h"
#include "kernels/random.h"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

// dbeta is the sum of dy by column.
bool norm_without_barriers() {
  DefectBench b;
  const DeviceView<float> zero(b.stream.get(), std::vector<float>(10, 0.0f)), dgamma(10);
  const DeviceView<std::byte> scratch(norm_train_scratch_bytes(64, 10));
  cuda::norm_train_backward<float>(b.stream.get(), {b.dx.data(), 64, 10},
                                   {{b.dx.data(), 64, 10}, zero.in(), zero.in()}, zero.in(),
                                   scratch.span(), {{}, dgamma.span(), {b.y.data(), 10}});
  std::vector<float> want(10, 0.0f);
  for (std::size_t i = 0; i < b.x.size(); ++i) want[i % 10] += b.x[i];
  return b.gives(want);
}

bool means_without_barriers() {
  DefectBench b;
  const DeviceView<double> scratch(mean_pixels_scratch(2, 4));
  cuda::mean_pixels_forward<float>(b.stream.get(), {b.dx.data(), 2, 8, 10, 4}, {b.y.data(), 2, 4},
                                   scratch.span());
  std::vector<float> want(8, 0.0f);
  for (std::size_t i = 0; i < b.x.size(); ++i) want[i / 320 * 4 + i % 4] += b.x[i] / 80;
  return b.gives(want);
}

// A closed weight opens every gate by a half: db is the sum of u / 8, u being x of one channel.
bool pixel_gate_without_barriers() {
  DefectBench b;
  const DeviceView<float> zero(b.stream.get(), {0.0f}),
      dy(b.stream.get(), std::vector<float>(640, 1.0f)), dx(640), dw(1), ds(1);
  const DeviceView<std::byte> scratch(pixel_gate_scratch_bytes(640, 1));
  cuda::pixel_gate_backward<float>(
      b.stream.get(), {b.dx.data(), 640, 1}, {zero.in(), zero.in(), zero.in()}, {dy.data(), 640, 1},
      {{dx.data(), 640, 1}, dw.span(), {b.y.data(), 1}, ds.span()}, scratch.span());
  float total = 0;
  for (const float x : b.x) total += x / 8;
  return b.gives({total});
}

bool bytes_without_barriers() {
  DefectBench b;
  std::vector<std::uint8_t> bytes;
  std::vector<float> want;
  for (int i = 0; i < 192; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i));
    want.push_back(static_cast<float>(i));
  }
  const DeviceView<std::uint8_t> x(b.stream.get(), bytes);
  const DeviceView<std::int32_t> sizes(b.stream.get(), {8, 8});
  cuda::image_normalize<float>(b.stream.get(), {x.data(), 1, 8, 8, 3}, {sizes.data(), 1, 2},
                               {b.y.data(), 1, 8, 8, 3}, {{0, 0, 0}, {1, 1, 1}});
  return b.gives(want);
}

// Two tiles, one black, one half bright: b = 0.25, no noise but at the edge.
bool quality_without_barriers() {
  DefectBench b;
  std::vector<std::uint8_t> bytes(8 * 16 * 3, 0);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (i % 48 >= 24) bytes[i] = 128;
  const DeviceView<std::uint8_t> x(b.stream.get(), bytes);
  const DeviceView<std::int32_t> sizes(b.stream.get(), {8, 16});
  const DeviceView<std::byte> scratch(image_quality_scratch_bytes(1, 8));
  cuda::image_quality(b.stream.get(), {x.data(), 1, 8, 16, 3}, {sizes.data(), 1, 2},
                      {b.y.data(), 1}, scratch.span());
  return b.gives({1.0f});
}

bool order_without_barriers() {
  DefectBench b;
  constexpr RandomKey kKey{1, 2, 3};
  const DeviceView<std::int64_t> order(300);
  cuda::random_order(b.stream.get(), kKey, 0, order.span());
  std::vector<std::int64_t> want(300);
  cpu::random_order(kKey, 0, {want.data(), 300});
  return order.to_host(b.stream.get()) == want;
}

}  // namespace

std::vector<Defect> stripped_maps() {
  const Expected expected = {'W', 'W', 'W', 'E'};
  const std::string words = "race|what nobody wrote";
  return {
      {"batch norm without barriers", expected, words, norm_without_barriers},
      {"means of a map without barriers", expected, words, means_without_barriers},
      {"pixel gate backward without barriers", expected, words, pixel_gate_without_barriers},
      {"table of bytes without barriers", expected, words, bytes_without_barriers},
      {"image quality without barriers", expected, words, quality_without_barriers},
      {"random order without barriers", expected, words, order_without_barriers},
  };
}

}  // namespace ktrain::test
