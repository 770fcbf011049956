// What the conflict monitor computes of gradients: products of four losses' gradients, and
// sketches.
#include "bench/cases.h"
#include "kernels/count_sketch.h"
#include "kernels/gram.h"
#include "kernels/mixed_sum.h"
#include "kernels/random_sign.h"
#include "kernels/sketch_blocks.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kVectors = 4;

struct Gradients {
  std::int64_t n;
  Array<float> values, moment;

  explicit Gradients(const Lab& lab)
      : n(lab.scaled(kBackboneWeights / kVectors)),
        values(lab.normal(kVectors * n, 1)),
        moment(lab.filled(n, 1e-4f)) {}
  [[nodiscard]] std::vector<Span<const float>> list() const {
    std::vector<Span<const float>> spans;
    for (std::int64_t k = 0; k < kVectors; ++k) spans.push_back({values.data() + k * n, n});
    return spans;
  }
};

Span<const Span<const float>> span_of(const std::vector<Span<const float>>& list) {
  return {list.data(), static_cast<std::int64_t>(list.size())};
}

Job gram(const Lab& lab) {
  const Gradients g(lab);
  const auto list = g.list();
  const Array<double> raw = lab.make<double>(kVectors * (kVectors + 1) / 2),
                      preconditioned = lab.make<double>(kVectors * (kVectors + 1) / 2);
  std::int64_t bytes = cpu::gram_scratch_bytes<float>(span_of(list));
  if constexpr (kCudaBuild)
    if (lab.cuda()) bytes = cuda::gram_scratch_bytes(span_of(list));
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return {.bytes = static_cast<double>(g.values.bytes() + g.moment.bytes()),
          .flops = 4.0 * kVectors * (kVectors + 1) / 2 * static_cast<double>(g.n),
          .run =
              [=, &lab] {
                const SecondMoment<float> moment{.v = g.moment.span()};
                KT_RUN(lab.queue(), gram, span_of(list), Remainder{}, moment, raw.out(),
                       preconditioned.out(), scratch.out());
              },
          .rivals = {}};
}

Job count_sketch(const Lab& lab) {
  constexpr std::int64_t kBuckets = 4096;
  const Gradients g(lab);
  const auto list = g.list();
  const Array<float> out = lab.filled(kVectors * kBuckets, 0.0f);
  const SketchHash hash{.seed = 3, .identity = false};
  std::int64_t bytes = 0;
  if constexpr (kCudaBuild)
    if (lab.cuda())
      bytes = cuda::count_sketch_scratch_bytes(span_of(list), Remainder{}, hash, kBuckets);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return {.bytes = static_cast<double>(g.values.bytes()),
          .run =
              [=, &lab] {
                (void)g;  // what the list points to
                if constexpr (kCudaBuild)
                  if (lab.cuda()) {
                    cuda::count_sketch(lab.stream(), span_of(list), Remainder{}, hash, 0,
                                       out.out_rows(kBuckets), scratch.out());
                    return;
                  }
                (void)scratch;
                cpu::count_sketch<float>(span_of(list), Remainder{}, hash, 0,
                                         out.out_rows(kBuckets));
              },
          .rivals = {}};
}

Job mixed_sum(const Lab& lab) {
  const Gradients g(lab);
  const auto list = g.list();
  const Array<float> out = lab.make<float>(g.n);
  return {.bytes = static_cast<double>(g.values.bytes() + out.bytes()),
          .flops = 2.0 * static_cast<double>(g.values.size()),
          .run =
              [=, &lab] {
                (void)g;  // what the list points to
                const double weights[kVectors] = {1, 0.5, 0.25, 2};
                const MixWeights<float> mix{{weights, kVectors}};
                KT_RUN(lab.queue(), mixed_sum, span_of(list), Remainder{}, mix, out.out());
              },
          .rivals = {}};
}

Job change_products(const Lab& lab) {
  const Gradients g(lab);
  const auto list = g.list();
  const Array<float> before = lab.normal(g.n, 2), now = lab.normal(g.n, 3);
  const Array<double> out = lab.make<double>(kVectors);
  const Array<std::byte> scratch =
      lab.make<std::byte>(change_products_scratch_bytes(kVectors, g.n));
  return {.bytes = static_cast<double>(g.values.bytes() + 2 * now.bytes()),
          .flops = 3.0 * static_cast<double>(g.values.size()),
          .run =
              [=, &lab] {
                (void)g;  // what the list points to
                KT_RUN(lab.queue(), change_products, span_of(list), Remainder{}, before.span(),
                       now.span(), out.out(), scratch.out());
              },
          .rivals = {}};
}

Job random_sign(const Lab& lab) {
  const Array<float> map = lab.normal(lab.scaled(kImages * 128 * 160 * 256)),
                     value = lab.make<float>(1);
  const Array<std::int32_t> now = lab.filled(1, std::int32_t{3});
  const std::vector<Span<const float>> list = {map.span()};
  const Array<std::byte> scratch = lab.make<std::byte>(random_sign_scratch_bytes(span_of(list)));
  return {.bytes = static_cast<double>(map.bytes()),
          .flops = static_cast<double>(map.size()),
          .run =
              [=, &lab] {
                (void)map;  // what the list points to
                const SignKey key{.seed = 1, .stream = 2, .now = now.span()};
                KT_RUN(lab.queue(), random_sign_sum, key, span_of(list), value.out(), scratch.out(),
                       1.0);
              },
          .rivals = {}};
}

// Two losses in 16384 buckets, of the sixteen blocks of a window.
struct Blocks {
  explicit Blocks(const Lab& lab)
      : newest(lab.normal(lab.scaled(2 * 16384), 4)),
        finished(lab.make<Bfloat16>(kPlaces * newest.size())) {}
  static constexpr std::int64_t kPlaces = 15;
  Array<float> newest;
  Array<Bfloat16> finished;
};

Job push_block(const Lab& lab) {
  const Blocks b(lab);
  return {.bytes = static_cast<double>(b.newest.bytes() + 2 * b.finished.bytes()),
          .flops = 0,
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), push_block, b.newest.span(), b.finished.out(), Blocks::kPlaces);
              },
          .rivals = {}};
}

Job join_blocks(const Lab& lab) {
  const Blocks b(lab);
  return {.bytes =
              static_cast<double>(b.newest.bytes()) + 1.5 * static_cast<double>(b.finished.bytes()),
          .flops = 8.0 * static_cast<double>(b.newest.size()),
          .run = [=, &lab] { KT_RUN(lab.queue(), join_blocks, b.newest.span(), b.finished.out()); },
          .rivals = {}};
}

const bool kAdded = add_case("gram", "four vectors", "a quarter of the backbone each", gram) &&
                    add_case("count_sketch", "4096 buckets", "four vectors", count_sketch) &&
                    add_case("mixed_sum", "mixed_sum", "four vectors", mixed_sum) &&
                    add_case("mixed_sum", "change_products", "four vectors", change_products) &&
                    add_case("random_sign", "sum", "P2 map", random_sign) &&
                    add_case("sketch_blocks", "push_block", "a full window", push_block) &&
                    add_case("sketch_blocks", "join_blocks", "a full window", join_blocks);

}  // namespace
}  // namespace ktrain::bench
