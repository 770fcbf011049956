// Which candidates are chosen is one number per image and class: the key, with the candidate below
// it, from which on no more are (kernels/device/select.cuh). A block per image finds it by counting
// digits; nothing is sorted, since the chosen are listed in the order of the candidates anyway.
//
// Anchors: all keys are made by the whole GPU first and lie where the labels will, which a third
// launch writes. RoIs are few: one launch makes keys as it needs them, finds the limits and lists
// the rows.
#include "kernels/sample.h"

#include "kernels/checks/sample.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/select.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;        // a thread per candidate
constexpr int kImageThreads = 1024;  // a block per image, for its anchors
constexpr int kRoiThreads = 512;  // the same for its regions: 1024 would spill on sm_75 and sm_87

struct Images {
  std::int64_t images, candidates;
};

// What one image's keys are a function of.
struct Keys {
  RandomKey key;
  std::uint32_t sample = 0;
  const std::int32_t* order = nullptr;

  __device__ Keys(const SampleDraw& draw, std::int64_t n) : key(draw.key) {
    if (draw.order.data) {
      order = draw.order.data + n * draw.order.cols;
      return;
    }
    key.epoch = static_cast<std::uint32_t>(draw.counters.data[n * 2]);
    sample = static_cast<std::uint32_t>(draw.counters.data[n * 2 + 1]);
  }
  [[nodiscard]] __device__ std::uint32_t of(std::int64_t i) const {
    if (order) return static_cast<std::uint32_t>(order[i]);
    return order_key(key, sample, static_cast<std::uint32_t>(i));
  }
};

// Of one image: entries below the limits are chosen.
struct Limits {
  Selection positive, negative;
};

// matched(i) is what assign wrote, key(i) the candidate's key. Every thread of the block calls it.
template <int kBlock, class Matched, class Key>
__device__ Limits find_limits(std::int64_t candidates, const SampleRule& rule, Matched&& matched,
                              Key&& key) {
  SelectMemory* const memory = shared_array<SelectMemory, 1, struct SampleBins>();
  const std::int64_t most = rule.positives < rule.size ? rule.positives : rule.size;
  Limits limits;
  limits.positive = select_limit<kBlock>(
      candidates, most, most,
      [&](std::int64_t i) { return matched(i) >= 0 ? entry_of(key(i), i) : kNoEntry; }, *memory);
  const std::int64_t rest = rule.size - limits.positive.taken;
  limits.negative = select_limit<kBlock>(
      candidates, rest, rest,
      [&](std::int64_t i) { return matched(i) == kNegative ? entry_of(key(i), i) : kNoEntry; },
      *memory);
  return limits;
}

__device__ void store_counts(std::int32_t* counts, std::int64_t n, const Limits& limits) {
  if (threadIdx.x != 0) return;
  counts[n * 2] = static_cast<std::int32_t>(limits.positive.taken);
  counts[n * 2 + 1] = static_cast<std::int32_t>(limits.negative.taken);
}

__global__ void __launch_bounds__(kThreads)
    key_kernel(const std::int32_t* match, const __grid_constant__ SampleDraw draw, Images sizes,
               std::int32_t* keys) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= sizes.images * sizes.candidates) return;
  const std::int64_t n = i / sizes.candidates;
  // Others are never asked for theirs, but are read.
  const bool asked = match[i] >= kNegative;
  keys[i] = asked ? static_cast<std::int32_t>(Keys(draw, n).of(i - n * sizes.candidates)) : 0;
}

__global__ void __launch_bounds__(kImageThreads)
    limit_kernel(const std::int32_t* match, const std::int32_t* keys, std::int64_t candidates,
                 SampleRule rule, std::uint64_t* image_limits, std::int32_t* counts) {
  const std::int64_t n = blockIdx.x;
  const std::int32_t* const matched = match + n * candidates;
  const std::int32_t* const key = keys + n * candidates;
  const Limits limits = find_limits<kImageThreads>(
      candidates, rule, [&](std::int64_t i) { return matched[i]; },
      [&](std::int64_t i) { return static_cast<std::uint32_t>(key[i]); });
  store_counts(counts, n, limits);
  if (threadIdx.x != 0) return;
  image_limits[n * 2] = limits.positive.limit;
  image_limits[n * 2 + 1] = limits.negative.limit;
}

// `labels` holds the keys.
__global__ void __launch_bounds__(kThreads)
    label_kernel(const std::int32_t* match, const std::uint64_t* image_limits, Images sizes,
                 std::int32_t* labels) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= sizes.images * sizes.candidates) return;
  const std::int64_t n = i / sizes.candidates;
  const std::int32_t matched = match[i];
  std::int32_t label = -1;
  if (matched >= kNegative) {
    const std::uint64_t limit = image_limits[n * 2 + (matched >= 0 ? 0 : 1)];
    const auto key = static_cast<std::uint32_t>(labels[i]);
    if (entry_of(key, i - n * sizes.candidates) < limit) label = matched >= 0 ? 1 : 0;
  }
  labels[i] = label;
}

struct RoiArguments {
  RoiCandidates<float> candidates;
  RoiSamples<float> samples;
  SampleDraw draw;
  SampleRule rule;
  std::int32_t num_classes;
};

// What candidate i of image n, a target or a proposal, was matched to.
__device__ std::int32_t matched_roi(const RoiCandidates<float>& in, std::int64_t n,
                                    std::int64_t i) {
  const std::int64_t capacity = in.targets.capacity;
  if (i >= capacity) return in.match.data[n * in.match.cols + i - capacity];
  return i < in.targets.counts[n] ? static_cast<std::int32_t>(i) : kUnused;
}

// One row of the samples; candidate -1 is padding.
__device__ void store_row(const RoiArguments& a, std::int64_t n, std::int64_t rank,
                          std::int64_t candidate, std::int32_t target) {
  const RoiCandidates<float>& in = a.candidates;
  const std::int64_t row = n * a.rule.size + rank;
  const std::int64_t proposal = candidate - in.targets.capacity;
  const float* const box = proposal < 0
                               ? in.targets.data + (n * in.targets.capacity + candidate) * 4
                               : in.proposals.data + (n * in.proposals.capacity + proposal) * 4;
  const bool real = candidate >= 0;
  for (int c = 0; c < 4; ++c) a.samples.rois.data[row * 4 + c] = real ? box[c] : 0.0f;
  a.samples.targets.data[row] = target;
  a.samples.image.data[row] = real ? static_cast<std::int32_t>(n) : -1;
  a.samples.labels.data[row] = target >= 0 ? in.classes.data[n * in.classes.cols + target]
                               : real      ? a.num_classes
                                           : -1;
}

__global__ void __launch_bounds__(kRoiThreads, 1)
    roi_kernel(const __grid_constant__ RoiArguments a) {
  const std::int64_t n = blockIdx.x;
  const std::int64_t candidates = a.candidates.targets.capacity + a.candidates.proposals.capacity;
  const Keys keys(a.draw, n);
  const auto matched = [&](std::int64_t i) { return matched_roi(a.candidates, n, i); };
  const auto key = [&](std::int64_t i) { return keys.of(i); };
  const Limits limits = find_limits<kRoiThreads>(candidates, a.rule, matched, key);
  store_counts(a.samples.counts.data, n, limits);

  int* const warp_counts = shared_array<int, kRoiThreads / kWarpSize, struct RoiCounts>();
  Placer<kRoiThreads> positives{warp_counts}, negatives{warp_counts};
  for (std::int64_t base = 0; base < candidates; base += kRoiThreads) {
    const std::int64_t i = base + threadIdx.x;
    const std::int32_t match = i < candidates ? matched(i) : kUnused;
    const std::uint64_t entry = match >= kNegative ? entry_of(key(i), i) : kNoEntry;
    const int positive = positives.place(match >= 0 && entry < limits.positive.limit);
    const int negative = negatives.place(match == kNegative && entry < limits.negative.limit);
    if (positive >= 0) store_row(a, n, positive, i, match);
    if (negative >= 0) store_row(a, n, limits.positive.taken + negative, i, -1);
  }
  const std::int64_t real = limits.positive.taken + limits.negative.taken;
  for (std::int64_t r = real + threadIdx.x; r < a.rule.size; r += kRoiThreads)
    store_row(a, n, r, -1, -1);
}

// The sum over images of their positives and negatives, each at least `least`. One warp.
__global__ void __launch_bounds__(kWarpSize)
    factor_kernel(const std::int32_t* counts, std::int64_t images, int least, int least_sum,
                  float* factor) {
  std::int64_t total = 0;
  for (std::int64_t i = threadIdx.x; i < images * 2; i += kWarpSize)
    total += counts[i] > least ? counts[i] : least;
  total = warp_reduce(total, Add{});
  if (threadIdx.x == 0) factor[0] = static_cast<float>(total > least_sum ? total : least_sum);
}

// The draw with a null order when there is none.
SampleDraw with_null_order(const SampleDraw& draw) {
  SampleDraw own = draw;
  if (draw.order.empty()) own.order.data = nullptr;
  return own;
}

void average_factor(const char* who, CudaStream stream, Rows<const std::int32_t> counts,
                    Span<float> factor, int least, int least_sum) {
  check_average_factor(who, counts, factor.size);
  launch(who, factor_kernel, 1, kWarpSize, stream, counts.data, counts.rows, least, least_sum,
         factor.data);
}

}  // namespace

void sample_anchors(CudaStream stream, Rows<const std::int32_t> match, const SampleDraw& draw,
                    Rows<std::int32_t> labels, Rows<std::int32_t> counts, Span<std::byte> scratch,
                    const SampleRule& rule) {
  check_sample_anchors(match, draw, labels, counts);
  const SampleDraw own = with_null_order(draw);
  if (match.rows == 0) return;
  Scratch carver(scratch);
  const SamplePieces pieces(carver, match.rows, rule);
  const Images sizes{match.rows, match.cols};
  const std::int64_t blocks = num_blocks(match.size(), kThreads);
  if (blocks > 0)
    launch("sample_anchors", key_kernel, blocks, kThreads, stream, match.data, own, sizes,
           labels.data);
  launch("sample_anchors", limit_kernel, match.rows, kImageThreads, stream, match.data, labels.data,
         match.cols, rule, pieces.limits.data, counts.data);
  if (blocks > 0)
    launch("sample_anchors", label_kernel, blocks, kThreads, stream, match.data, pieces.limits.data,
           sizes, labels.data);
}

void sample_rois(CudaStream stream, const RoiCandidates<float>& candidates, const SampleDraw& draw,
                 const RoiSamples<float>& samples, Span<std::byte> /*scratch*/,
                 const SampleRule& rule, std::int32_t num_classes) {
  check_sample_rois(candidates, draw, samples, rule);
  const std::int64_t images = candidates.proposals.batch;
  if (images == 0) return;
  launch("sample_rois", roi_kernel, images, kRoiThreads, stream,
         RoiArguments{candidates, samples, with_null_order(draw), rule, num_classes});
}

void rpn_average_factor(CudaStream stream, Rows<const std::int32_t> counts, Span<float> factor) {
  average_factor("rpn_average_factor", stream, counts, factor, 1, 0);
}

void roi_average_factor(CudaStream stream, Rows<const std::int32_t> counts, Span<float> factor) {
  average_factor("roi_average_factor", stream, counts, factor, 0, 1);
}

}  // namespace ktrain::cuda
