// Softmax cross-entropy and RoIAlign at the sizes of a training step: 512 regions of each of two
// 640x512 images, 256 channels, 7x7 bins.
#include <algorithm>
#include <cmath>

#include "bench/cuda/cuda_bench.h"
#include "kernels/cross_entropy.h"
#include "kernels/roi_align.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

struct Loss {
  std::int64_t rows, cols;
  DeviceBuffer<float> x, p, dx, row_loss, loss, one;
  DeviceBuffer<std::int32_t> labels;

  Loss(const CudaBench& bench, std::int64_t rows_, std::int64_t cols_)
      : rows(rows_),
        cols(cols_),
        x(bench.random(rows * cols)),
        p(rows * cols),
        dx(rows * cols),
        row_loss(rows),
        loss(1),
        one(bench.stream(), {1.0f}),
        labels(bench.stream(), std::vector<std::int32_t>(static_cast<std::size_t>(rows), 0)) {}
  void forward(CudaStream stream) {
    cuda::cross_entropy_forward(stream, {x.data(), rows, cols}, labels.const_span(),
                                one.const_span(), {p.data(), rows, cols}, row_loss.span(),
                                loss.span());
  }
};

void cuda_cross_entropy_forward(benchmark::State& state) {
  CudaBench bench;
  Loss l(bench, state.range(0), state.range(1));
  bench.run(state, l.rows * (2 * l.cols + 2) * kFloat, [&] { l.forward(bench.stream()); });
}

void cuda_cross_entropy_backward(benchmark::State& state) {
  CudaBench bench;
  Loss l(bench, state.range(0), state.range(1));
  l.forward(bench.stream());
  bench.run(state, l.rows * (2 * l.cols + 1) * kFloat, [&] {
    cuda::cross_entropy_backward(bench.stream(), {l.p.data(), l.rows, l.cols},
                                 l.labels.const_span(), l.one.const_span(), l.one.const_span(),
                                 {l.dx.data(), l.rows, l.cols});
  });
}

struct Regions {
  static constexpr std::int64_t kRois = 1024, kChannels = 256;
  static constexpr std::int64_t kCells = 2 * (128 * 160 + 64 * 80 + 32 * 40 + 16 * 20);
  DeviceBuffer<float> maps, out, corners;
  DeviceBuffer<std::int32_t> image;

  explicit Regions(const CudaBench& bench)
      : maps(bench.random(kCells * kChannels)),
        out(bench.random(kRois * 49 * kChannels, 2)),
        corners(bench.stream(), make_corners()),
        image(bench.stream(), make_images()) {}

  // Heights from 20 to 450 pixels at a pedestrian's 0.41 of it wide, like KAIST's boxes, a third of
  // them wider as proposals are.
  static std::vector<float> make_corners() {
    std::mt19937 engine(1);
    std::uniform_real_distribution<float> draw(0, 1);
    std::vector<float> values;
    for (std::int64_t r = 0; r < kRois; ++r) {
      const float h = 20.0f * std::pow(22.5f, draw(engine));
      const float w = std::min(600.0f, h * (r % 3 == 0 ? 1.2f : 0.41f));
      const float x = draw(engine) * (640 - w), y = draw(engine) * (512 - h);
      values.insert(values.end(), {x, y, x + w, y + h});
    }
    return values;
  }
  static std::vector<std::int32_t> make_images() {
    std::vector<std::int32_t> values;
    for (std::int32_t r = 0; r < kRois; ++r) values.push_back(r % 2);
    return values;
  }
  template <class T>
  [[nodiscard]] RoiLevels<T> levels() const {
    RoiLevels<T> result;
    T* at = maps.data();
    for (std::size_t l = 0; l < kRoiLevels; ++l) {
      result[l] = {at, 2, 128 >> l, 160 >> l, kChannels};
      at += result[l].size();
    }
    return result;
  }
};

// The least traffic: every cell of the pyramid and every bin, once.
constexpr std::int64_t kRoiBytes = (Regions::kCells + Regions::kRois * 49) * Regions::kChannels * 4;

void cuda_roi_align_forward(benchmark::State& state) {
  CudaBench bench;
  const Regions r(bench);
  bench.run(state, kRoiBytes, [&] {
    cuda::roi_align_forward(bench.stream(), r.levels<const float>(),
                            {r.corners.data(), Regions::kRois, 4}, r.image.const_span(),
                            {r.out.data(), Regions::kRois, 7, 7, Regions::kChannels});
  });
}

void cuda_roi_align_backward(benchmark::State& state) {
  CudaBench bench;
  const Regions r(bench);
  bench.run(state, kRoiBytes, [&] {
    cuda::roi_align_backward(
        bench.stream(), {r.corners.data(), Regions::kRois, 4}, r.image.const_span(),
        {r.out.data(), Regions::kRois, 7, 7, Regions::kChannels}, r.levels<float>());
  });
}

BENCHMARK(cuda_cross_entropy_forward)
    ->ArgNames({"rows", "classes"})
    ->Args({1024, 2})
    ->Args({163680, 2})
    ->Args({8192, 81})
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK(cuda_cross_entropy_backward)
    ->ArgNames({"rows", "classes"})
    ->Args({1024, 2})
    ->Args({163680, 2})
    ->Args({8192, 81})
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK(cuda_roi_align_forward)->Iterations(kIterations)->UseManualTime();
BENCHMARK(cuda_roi_align_backward)->Iterations(kIterations)->UseManualTime();

}  // namespace
}  // namespace ktrain::bench
