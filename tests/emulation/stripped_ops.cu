// The project's own kernels, compiled without their barriers (without_barriers.h): the checkers
// must notice it there, too.
#include <algorithm>

#include "kernels/assign.h"
#include "kernels/count_sketch.h"
#include "kernels/cross_entropy.h"
#include "kernels/gram.h"
#include "kernels/key_queue.h"
#include "kernels/mixed_sum.h"
#include "kernels/nms.h"
#include "kernels/queue_contrast.h"
#include "kernels/reduce.h"
#include "kernels/roi_align.h"
#include "kernels/topk.h"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

bool sum_without_barriers() {
  DefectBench b;
  const DeviceView<double> scratch(kReduceScratch);
  cuda::sum(b.stream.get(), b.dx.in(), scratch.span(), {b.y.data(), 1});
  double total = 0;
  for (const float x : b.x) total += static_cast<double>(x);
  return b.gives({static_cast<float>(total)});
}

bool columns_without_barriers() {
  DefectBench b;
  const DeviceView<double> scratch(kReduceScratch);
  cuda::column_sums(b.stream.get(), {b.dx.data(), 64, 10}, scratch.span(), {b.y.data(), 10});
  std::vector<float> want(10, 0.0f);
  for (std::size_t i = 0; i < b.x.size(); ++i) want[i % 10] += b.x[i];
  return b.gives(want);
}

bool loss_without_barriers() {
  DefectBench b;
  const DeviceView<std::int32_t> labels(b.stream.get(), std::vector<std::int32_t>(320, 1));
  const DeviceView<float> p(640), rows(320), one(b.stream.get(), {1.0f});
  cuda::cross_entropy_forward(b.stream.get(), {b.dx.data(), 320, 2}, labels.in(), one.in(),
                              {p.data(), 320, 2}, rows.span(), {b.y.data(), 1});
  double total = 0;
  for (std::size_t r = 0; r < 320; ++r)
    total +=
        std::log1p(std::exp(static_cast<double>(b.x[2 * r]) - static_cast<double>(b.x[2 * r + 1])));
  return std::abs(static_cast<double>(b.y.to_host(b.stream.get())[0]) - total) < 1e-3 * total;
}

struct Pyramid {
  std::vector<float> ones = std::vector<float>(2 * (64 + 16 + 4 + 1) * 4, 1.0f);
  template <class T>
  static RoiLevels<T> levels(T* at) {
    RoiLevels<T> result;
    for (std::size_t l = 0; l < kRoiLevels; ++l) {
      result[l] = {at, 2, 8 >> l, 8 >> l, 4};
      at += result[l].size();
    }
    return result;
  }
};

bool roi_forward_without_barriers() {
  DefectBench b;
  const Pyramid pyramid;
  const DeviceView<float> maps(b.stream.get(), pyramid.ones),
      roi(b.stream.get(), {4.0f, 4.0f, 28.0f, 20.0f});
  const DeviceView<std::int32_t> image(b.stream.get(), {1});
  cuda::roi_align_forward<float>(b.stream.get(), Pyramid::levels<const float>(maps.data()),
                                 {roi.data(), 1, 4}, image.in(), {b.y.data(), 1, 3, 3, 4});
  return b.gives(std::vector<float>(36, 1.0f));
}

bool roi_backward_without_barriers() {
  DefectBench b;
  const Pyramid pyramid;
  const DeviceView<float> maps(static_cast<std::int64_t>(pyramid.ones.size())),
      roi(b.stream.get(), {4.0f, 4.0f, 28.0f, 20.0f}),
      dout(b.stream.get(), std::vector<float>(36, 1.0f));
  const DeviceView<std::int32_t> image(b.stream.get(), {1});
  cuda::roi_align_backward<float>(b.stream.get(), {roi.data(), 1, 4}, image.in(),
                                  {dout.data(), 1, 3, 3, 4}, Pyramid::levels<float>(maps.data()));
  double total = 0;
  for (const float v : maps.to_host(b.stream.get())) total += static_cast<double>(v);
  return std::abs(total - 36) < 1e-3;
}

// Scores that rise: the best are the last.
bool topk_without_barriers() {
  DefectBench b;
  std::vector<float> scores(600);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(i);
  const DeviceView<float> dscores(b.stream.get(), scores);
  const DeviceView<std::int32_t> indices(8);
  cuda::topk(b.stream.get(), {dscores.data(), 1, 600}, {indices.data(), 1, 8}, {});
  return indices.to_host(b.stream.get()) ==
         std::vector<std::int32_t>{599, 598, 597, 596, 595, 594, 593, 592};
}

// `count` boxes in a row, each of which covers two thirds of the next.
std::vector<float> row_of_boxes(int count) {
  std::vector<float> boxes;
  for (int i = 0; i < count; ++i) {
    const float x = static_cast<float>(i) * 4;
    boxes.insert(boxes.end(), {x, 0, x + 12, 10});
  }
  return boxes;
}

bool nms_without_barriers() {
  DefectBench b;
  const DeviceView<float> boxes(b.stream.get(), row_of_boxes(160));
  const DeviceView<std::int32_t> kept(160), counts(1);
  const DeviceView<std::byte> scratch(cuda::nms_sorted_scratch_bytes(1, 160));
  cuda::nms_sorted(b.stream.get(), {boxes.data(), nullptr, 1, 160}, {kept.data(), 1, 160},
                   counts.span(), scratch.span(), 0.4f);
  std::vector<std::int32_t> want(160, -1);  // every other one
  for (std::int32_t i = 0; i < 80; ++i) want[static_cast<std::size_t>(i)] = 2 * i;
  return kept.to_host(b.stream.get()) == want;
}

bool assign_without_barriers() {
  DefectBench b;
  const std::vector<float> row = row_of_boxes(512);
  const DeviceView<float> boxes(b.stream.get(), row), overlap(512);
  const DeviceView<std::int32_t> counts(b.stream.get(), {40}), match(512);
  const DeviceView<std::byte> scratch(assign_scratch_bytes<float>(1, 512, 40));
  AssignInput<float> in;
  in.boxes = {boxes.data(), nullptr, 1, 512};
  in.targets = {boxes.data(), counts.data(), 1, 40};
  cuda::assign(b.stream.get(), in, {match.data(), 1, 512}, {overlap.data(), 1, 512}, scratch.span(),
               {0.9, 0.1, 0.1, true, 0.5});
  std::vector<std::int32_t> want(512, kNegative);
  for (std::int32_t i = 0; i < 42; ++i) want[static_cast<std::size_t>(i)] = i < 40 ? i : kUnused;
  return match.to_host(b.stream.get()) == want;
}

bool gram_without_barriers() {
  DefectBench b;
  const std::int64_t half = static_cast<std::int64_t>(b.x.size()) / 2;
  const std::vector<Span<const float>> spans = {{b.dx.data(), half}, {b.dx.data() + half, half}};
  const Span<const Span<const float>> all{spans.data(), 2};
  const DeviceView<double> raw(3);
  const DeviceView<std::byte> scratch(cuda::gram_scratch_bytes(all));
  cuda::gram(b.stream.get(), all, {}, {}, raw.span(), {}, scratch.span());
  double want = 0;
  for (std::size_t i = 0; i < b.x.size() / 2; ++i)
    want += static_cast<double>(b.x[i]) * static_cast<double>(b.x[i + b.x.size() / 2]);
  return std::abs(raw.to_host(b.stream.get())[1] - want) < 1e-3 * std::abs(want);
}

bool sketch_without_barriers() {
  DefectBench b;
  const std::vector<Span<const float>> spans = {b.dx.in()};
  const Span<const Span<const float>> all{spans.data(), 1};
  const SketchHash hash{1, false};
  std::vector<float> want(64, 0.0f);
  const std::vector<Span<const float>> host = {{b.x.data(), std::ssize(b.x)}};
  cpu::count_sketch<float>({host.data(), 1}, {}, hash, 0, {want.data(), 1, 64});
  const DeviceView<std::byte> scratch(cuda::count_sketch_scratch_bytes(all, {}, hash, 64));
  cuda::count_sketch(b.stream.get(), all, {}, hash, 0, {b.y.data(), 1, 64}, scratch.span());
  return b.gives(want);
}

bool changes_without_barriers() {
  DefectBench b;
  const std::vector<Span<const float>> spans = {b.dx.in()};
  const DeviceView<float> zero(b.stream.get(), std::vector<float>(640, 0.0f));
  const DeviceView<double> products(1);
  const DeviceView<std::byte> scratch(change_products_scratch_bytes(1, 640));
  cuda::change_products(b.stream.get(), {spans.data(), 1}, {}, zero.in(), b.dx.in(),
                        products.span(), scratch.span());
  double want = 0;
  for (const float x : b.x) want += static_cast<double>(x) * static_cast<double>(x);
  return std::abs(products.to_host(b.stream.get())[0] - want) < 1e-3 * want;
}

// Similarities that rise, of which the best tenth is passed over: 60 of 600.
bool mining_without_barriers() {
  DefectBench b;
  std::vector<float> scores(600);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(i);
  const DeviceView<float> dscores(b.stream.get(), scores);
  const DeviceView<std::int32_t> row(b.stream.get(), {1, -1, 0, 0, 9}),
      entries(b.stream.get(), std::vector<std::int32_t>(600 * kKeyColumns, 0)), indices(3);
  const DeviceView<std::byte> scratch(cuda::mine_scratch_bytes(1, 600, 3));
  cuda::mine_negatives(b.stream.get(), {dscores.data(), 1, 600}, {row.data(), 1, kKeyColumns},
                       {entries.data(), 600, kKeyColumns}, {indices.data(), 1, 3}, scratch.span(),
                       {true, true, 0, 0, true, 0.1});
  return indices.to_host(b.stream.get()) == std::vector<std::int32_t>{539, 538, 537};
}

// The positive and 15 negatives, all alike.
bool contrast_without_barriers() {
  DefectBench b;
  std::vector<std::int32_t> fifteen;
  for (std::int32_t i = 0; i < 15; ++i) fifteen.push_back(i);
  const DeviceView<std::int32_t> indices(b.stream.get(), fifteen), mark(b.stream.get(), {1});
  const DeviceView<float> keys(b.stream.get(), std::vector<float>(15 * 40, 0.1f)), slope(16),
      row_loss(1), count(1);
  cuda::queue_contrast_forward(b.stream.get(),
                               {{b.dx.data(), 1, 40},
                                {keys.data(), 1, 40},
                                {keys.data(), 15, 40},
                                {indices.data(), 1, 15},
                                mark.in()},
                               {slope.data(), 1, 16}, row_loss.span(), count.span(),
                               {b.y.data(), 1}, {});
  return b.gives({std::log(16.0f)});
}

}  // namespace

std::vector<Defect> stripped_ops() {
  return {
      {"sum without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       sum_without_barriers},
      {"column sums without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       columns_without_barriers},
      {"loss without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       loss_without_barriers},
      {"RoIAlign forward without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       roi_forward_without_barriers},
      {"RoIAlign backward without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       roi_backward_without_barriers},
      {"top-k without barriers",
       {'W', 'E', 'W', 'E'},
       "race|what nobody wrote",
       topk_without_barriers},
      {"suppression without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       nms_without_barriers},
      {"assignment without barriers",
       {'.', 'W', '.', 'E'},
       "race|what nobody wrote",
       assign_without_barriers},
      {"products of vectors without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       gram_without_barriers},
      {"sketch without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       sketch_without_barriers},
      {"mining without barriers",
       {'W', 'E', 'W', 'E'},
       "race|what nobody wrote",
       mining_without_barriers},
      {"contrast with a queue without barriers",
       {'W', 'E', 'S', 'E'},
       "race|what nobody wrote",
       contrast_without_barriers},
      {"products with changes without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       changes_without_barriers},
  };
}

}  // namespace ktrain::test
