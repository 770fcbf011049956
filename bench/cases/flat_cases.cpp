// Flat arithmetic, reductions, clipping, optimisers and random numbers, at the sizes of a training
// step: the weights of a ResNet-50 stream or of a whole detector, a map of the pyramid's lowest
// level.
#include <array>
#include <limits>
#include <span>

#include "bench/cases.h"
#include "kernels/adamw.h"
#include "kernels/clamp.h"
#include "kernels/clip.h"
#include "kernels/convert_list.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/sgd.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kP2 = kImages * 128 * 160 * 256;
constexpr double kFloat = sizeof(float);

// A case over `reads` normal runs of n numbers and one that is written: `run(lab, a, b, y)`.
template <class Run>
void add_map(const char* op, const char* shape, std::int64_t size, int reads, Run run) {
  add_case("elementwise", op, shape, [=](const Lab& lab) {
    const std::int64_t n = lab.scaled(size);
    const Array<float> a = lab.normal(n, 1), b = lab.normal(n, 2), y = lab.normal(n, 3);
    const auto count = static_cast<double>(n);
    return Job{.bytes = (reads + 1) * count * kFloat,
               .flops = count,
               .run = [=, &lab] { run(lab, a, b, y); },
               .rivals = {}};
  });
}

const bool kElementwise = [] {
  add_map("copy", "P2 map", kP2, 1, [](const Lab& lab, auto a, auto, auto y) {
    KT_RUN(lab.queue(), copy, a.span(), y.out());
  });
  add_map("add", "P2 map", kP2, 2, [](const Lab& lab, auto a, auto b, auto y) {
    KT_RUN(lab.queue(), add, a.span(), b.span(), y.out());
  });
  add_map("accumulate", "backbone weights", kBackboneWeights, 2,
          [](const Lab& lab, auto a, auto, auto y) {
            KT_RUN(lab.queue(), accumulate, a.span(), y.out());
          });
  add_map("relu_backward", "P2 map", kP2, 2, [](const Lab& lab, auto a, auto b, auto y) {
    KT_RUN(lab.queue(), relu_backward, a.span(), b.span(), y.out());
  });
  add_map("clamp", "P2 map", kP2, 1, [](const Lab& lab, auto, auto, auto y) {
    KT_RUN(lab.queue(), clamp, y.out(), -1.0, 1.0);
  });
  return true;
}();

// A reduction of n numbers to one: `run(lab, x, scratch, y)`.
template <class Run>
void add_sum(const char* op, Run run) {
  add_case("reduce", op, "detector weights", [=](const Lab& lab) {
    const std::int64_t n = lab.scaled(kDetectorWeights);
    const Array<float> x = lab.normal(n), y = lab.make<float>(1);
    const Array<double> scratch = lab.make<double>(kReduceScratch);
    return Job{.bytes = static_cast<double>(n) * kFloat,
               .flops = 2.0 * static_cast<double>(n),
               .run = [=, &lab] { run(lab, x, scratch, y); },
               .rivals = {}};
  });
}

void add_column_sums(const char* shape, std::int64_t rows, std::int64_t cols) {
  add_case("reduce", "column_sums", shape, [=](const Lab& lab) {
    const std::int64_t r = lab.scaled(rows);
    const Array<float> x = lab.normal(r * cols), y = lab.make<float>(cols);
    const Array<double> scratch = lab.make<double>(kReduceScratch);
    return Job{
        .bytes = static_cast<double>(x.bytes()),
        .flops = static_cast<double>(x.size()),
        .run = [=,
                &lab] { KT_RUN(lab.queue(), column_sums, x.rows(cols), scratch.out(), y.out()); },
        .rivals = {}};
  });
}

const bool kReduce = [] {
  add_sum("sum_of_squares", [](const Lab& lab, auto x, auto scratch, auto y) {
    KT_RUN(lab.queue(), sum_of_squares, x.span(), scratch.out(), y.out());
  });
  add_sum("max_abs", [](const Lab& lab, auto x, auto scratch, auto y) {
    KT_RUN(lab.queue(), max_abs, x.span(), scratch.out(), y.out());
  });
  add_column_sums("P2 pixels x 256", kImages * 128 * 160, 256);
  add_column_sums("P2 pixels x 3", kImages * 128 * 160, 3);
  add_column_sums("1024 regions x 1024", 1024, 1024);
  return true;
}();

Job clip(const Lab& lab) {
  // As many tensors as a two-stream ResNet-50 detector has, of one size each.
  constexpr std::int64_t kTensors = 260;
  const std::int64_t n = lab.scaled(kDetectorWeights / kTensors);
  const Array<float> values = lab.normal(kTensors * n), norm = lab.make<float>(1),
                     factor = lab.make<float>(1);
  std::vector<Span<const float>> gradients;
  for (std::int64_t k = 0; k < kTensors; ++k) gradients.push_back({values.data() + k * n, n});
  const auto list = [](const std::vector<Span<const float>>& of) {
    return Span<const Span<const float>>{of.data(), static_cast<std::int64_t>(of.size())};
  };
  const Array<std::byte> scratch = lab.make<std::byte>(clip_scratch_bytes(list(gradients)));
  return {.bytes = static_cast<double>(values.bytes()),
          .flops = 2.0 * static_cast<double>(values.size()),
          .run =
              [=, &lab] {
                (void)values;  // what the list points to
                KT_RUN(lab.queue(), clip_factor, list(gradients), norm.out(), factor.out(),
                       scratch.out(), 3.0);
              },
          .rivals = {}};
}

// The weights that a two-stream ResNet-50 detector multiplies, rounded to bf16.
Job convert(const Lab& lab) {
  constexpr std::int64_t kTensors = 134;
  const std::int64_t n = lab.scaled(kDetectorWeights / kTensors);
  const Array<float> weights = lab.normal(kTensors * n);
  const Array<Bfloat16> copies = lab.make<Bfloat16>(weights.size());
  std::vector<Conversion> list;
  for (std::int64_t k = 0; k < kTensors; ++k)
    list.push_back({{weights.data() + k * n, n}, {copies.data() + k * n, n}});
  return {.bytes = 1.5 * static_cast<double>(weights.bytes()),
          .run =
              [=, &lab] {
                (void)weights, (void)copies;  // what the list points to
                const std::span<const Conversion> all = list;
                KT_RUN(lab.queue(), convert_list, all);
              },
          .rivals = {}};
}

// `tensors` equal parts of `weights` weights.
Job adamw(const Lab& lab, std::int64_t weights, std::int64_t tensors) {
  const std::int64_t part = lab.scaled(weights / tensors), n = part * tensors;
  const Array<float> gradient = lab.normal(n, 1, 1e-3), weight = lab.normal(n, 2, 0.1),
                     m = lab.filled(n, 0.0f), v = lab.filled(n, 0.0f), one = lab.filled(1, 1.0f);
  const auto values = adamw_numbers<float>({}, 10);
  const Array<float> numbers = lab.copy(std::vector<float>(values.begin(), values.end()));
  std::vector<AdamwTensor<float>> list;
  for (std::int64_t k = 0; k < tensors; ++k) {
    const std::int64_t at = k * part;
    list.push_back({{gradient.data() + at, part},
                    {weight.out().data + at, part},
                    {m.out().data + at, part},
                    {v.out().data + at, part}});
  }
  return {.bytes = 7.0 * static_cast<double>(n) * kFloat,
          .flops = 14.0 * static_cast<double>(n),
          .run =
              [=, &lab] {
                (void)gradient, (void)weight, (void)m, (void)v;  // what the list points to
                const Span<const AdamwTensor<float>> all{list.data(), std::ssize(list)};
                KT_RUN(lab.queue(), adamw, all, numbers.span(), one.span());
              },
          .rivals = {}};
}

Job sgd(const Lab& lab) {
  const std::int64_t n = lab.scaled(kBackboneWeights);
  const Array<float> gradient = lab.normal(n, 1, 1e-3), weight = lab.normal(n, 2, 0.1),
                     velocity = lab.filled(n, 0.0f), one = lab.filled(1, 1.0f);
  const auto values = sgd_numbers<float>({});
  const Array<float> numbers = lab.copy(std::vector<float>(values.begin(), values.end()));
  return {.bytes = 5.0 * static_cast<double>(n) * kFloat,
          .flops = 6.0 * static_cast<double>(n),
          .run =
              [=, &lab] {
                const SgdTensor<float> all{gradient.span(), weight.out(), velocity.out()};
                const Span<const SgdTensor<float>> list{&all, 1};
                KT_RUN(lab.queue(), sgd, list, numbers.span(), one.span());
              },
          .rivals = {}};
}

Job uniform(const Lab& lab) {
  const Array<float> x = lab.make<float>(lab.scaled(kBackboneWeights));
  return {.bytes = static_cast<double>(x.bytes()),
          .run =
              [=, &lab] {
                const RandomKey key{.seed = 1, .stream = 2, .epoch = 3};
                KT_RUN(lab.queue(), fill_uniform, key, 4u, x.out(), 0.0, 1.0);
              },
          .rivals = {}};
}

const bool kOptimisers =
    add_case("clip", "clip_factor", "260 tensors, detector weights", clip) &&
    add_case("elementwise", "convert_list", "134 tensors, detector weights", convert) &&
    add_case("adamw", "step", "backbone weights",
             [](const Lab& lab) { return adamw(lab, kBackboneWeights, 1); }) &&
    add_case("adamw", "step", "260 tensors, detector weights",
             [](const Lab& lab) { return adamw(lab, kDetectorWeights, 260); }) &&
    add_case("adamw", "step", "65536 weights",
             [](const Lab& lab) { return adamw(lab, 65536, 1); }) &&
    add_case("sgd", "step", "backbone weights", sgd) &&
    add_case("random", "fill_uniform", "backbone weights", uniform);

}  // namespace
}  // namespace ktrain::bench
