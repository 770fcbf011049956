// The chosen ones of an image are a heap of (key, candidate), the largest on top, that a single
// pass over the candidates fills: most candidates cost one comparison.
#include "kernels/sample.h"

#include <algorithm>

#include "kernels/checks/sample.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain {

std::int64_t sample_scratch_bytes(std::int64_t images, const SampleRule& rule) {
  Scratch scratch;
  (void)SamplePieces(scratch, images, rule);
  return scratch.bytes();
}

namespace cpu {
namespace {

// Candidates whose keys are made together, in vector registers.
constexpr std::int64_t kBlock = 256;

// The keys of one image's candidates.
struct Keys {
  RandomKey key;
  std::uint32_t sample = 0;
  const std::int32_t* order = nullptr;

  Keys(const SampleDraw& draw, std::int64_t n) : key(draw.key) {
    if (!draw.order.empty()) {
      order = draw.order.data + n * draw.order.cols;
      return;
    }
    key.epoch = static_cast<std::uint32_t>(draw.counters(n, 0));
    sample = static_cast<std::uint32_t>(draw.counters(n, 1));
  }

  // Of candidates [begin, begin + size): ordered by key, then by candidate.
  void fill(std::int64_t begin, std::int64_t size, std::uint64_t* entries) const {
    const auto first = static_cast<std::uint32_t>(begin);
    const auto count = static_cast<std::uint32_t>(size);
    if (order) {
      for (std::uint32_t i = 0; i < count; ++i)
        entries[i] = entry(static_cast<std::uint32_t>(order[first + i]), first + i);
    } else {
#pragma omp simd
      for (std::uint32_t i = 0; i < count; ++i)
        entries[i] = entry(order_key(key, sample, first + i), first + i);
    }
  }

  static std::uint64_t entry(std::uint32_t high, std::uint32_t candidate) {
    return (std::uint64_t{high} << 32) | candidate;
  }
};

std::int64_t candidate_of(std::uint64_t entry) {
  return static_cast<std::int64_t>(entry & 0xFFFFFFFFu);
}

// Chooses up to `most` of the candidates with eligible(candidate) and leaves them in `chosen` in
// ascending order, without their keys. Returns how many.
template <class Eligible>
std::int64_t choose(std::int64_t candidates, std::int64_t most, const Keys& keys,
                    Eligible&& eligible, std::uint64_t* chosen) {
  std::int64_t count = 0;
  std::uint64_t entries[kBlock];
  for (std::int64_t begin = 0; begin < candidates && most > 0; begin += kBlock) {
    const std::int64_t size = std::min(kBlock, candidates - begin);
    bool any = false;
    for (std::int64_t i = begin; i < begin + size; ++i) any = any || eligible(i);
    if (!any) continue;
    keys.fill(begin, size, entries);
    for (std::int64_t i = 0; i < size; ++i) {
      if (!eligible(begin + i)) continue;
      if (count < most) {
        chosen[count++] = entries[i];
        std::push_heap(chosen, chosen + count);
      } else if (entries[i] < chosen[0]) {
        std::pop_heap(chosen, chosen + count);
        chosen[count - 1] = entries[i];
        std::push_heap(chosen, chosen + count);
      }
    }
  }
  for (std::int64_t i = 0; i < count; ++i)
    chosen[i] = static_cast<std::uint64_t>(candidate_of(chosen[i]));
  std::sort(chosen, chosen + count);
  return count;
}

struct Chosen {
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
};

// matched(candidate) is what assign wrote. `chosen` holds the positives, then the negatives.
template <class Matched>
Chosen choose_both(std::int64_t candidates, const Keys& keys, const SampleRule& rule,
                   Matched&& matched, std::uint64_t* chosen) {
  Chosen found;
  found.positives = choose(
      candidates, std::min(rule.positives, rule.size), keys,
      [&](std::int64_t i) { return matched(i) >= 0; }, chosen);
  found.negatives = choose(
      candidates, rule.size - found.positives, keys,
      [&](std::int64_t i) { return matched(i) == kNegative; }, chosen + found.positives);
  return found;
}

}  // namespace

void sample_anchors(Rows<const std::int32_t> match, const SampleDraw& draw,
                    Rows<std::int32_t> labels, Rows<std::int32_t> counts, Span<std::byte> scratch,
                    const SampleRule& rule) {
  check_sample_anchors(match, draw, labels, counts);
  Scratch carver(scratch);
  const auto heaps = SamplePieces(carver, match.rows, rule).chosen;
  parallel_for(match.rows, 1, [&](std::int64_t n) {
    const std::int32_t* const matched = match.data + n * match.cols;
    std::uint64_t* const chosen = heaps.data + n * rule.size;
    const Chosen found = choose_both(
        match.cols, Keys(draw, n), rule, [&](std::int64_t i) { return matched[i]; }, chosen);
    std::int32_t* const label = labels.data + n * labels.cols;
    std::fill(label, label + labels.cols, -1);
    for (std::int64_t i = 0; i < found.positives + found.negatives; ++i)
      label[chosen[i]] = i < found.positives ? 1 : 0;
    counts(n, 0) = static_cast<std::int32_t>(found.positives);
    counts(n, 1) = static_cast<std::int32_t>(found.negatives);
  });
}

template <class T>
void sample_rois(const RoiCandidates<T>& candidates, const SampleDraw& draw,
                 const RoiSamples<T>& samples, Span<std::byte> scratch, const SampleRule& rule,
                 std::int32_t num_classes) {
  check_sample_rois(candidates, draw, samples, rule);
  const BoxList<const T> targets = candidates.targets, proposals = candidates.proposals;
  Scratch carver(scratch);
  const auto heaps = SamplePieces(carver, proposals.batch, rule).chosen;
  parallel_for(proposals.batch, 1, [&](std::int64_t n) {
    const std::int64_t num_targets = targets.capacity > 0 ? targets.counts[n] : 0;
    const std::int32_t* const match = candidates.match.data + n * candidates.match.cols;
    const auto matched = [&](std::int64_t i) {
      if (i >= targets.capacity) return match[i - targets.capacity];
      return i < num_targets ? static_cast<std::int32_t>(i) : kUnused;
    };
    std::uint64_t* const chosen = heaps.data + n * rule.size;
    const Chosen found =
        choose_both(targets.capacity + proposals.capacity, Keys(draw, n), rule, matched, chosen);
    for (std::int64_t i = 0; i < rule.size; ++i) {
      const std::int64_t row = n * rule.size + i;
      const bool real = i < found.positives + found.negatives;
      const std::int64_t which = real ? static_cast<std::int64_t>(chosen[i]) : 0;
      const std::int32_t target = i < found.positives ? matched(which) : -1;
      const T* const box = which < targets.capacity ? targets.box(n, which)
                                                    : proposals.box(n, which - targets.capacity);
      for (std::int64_t c = 0; c < 4; ++c) samples.rois(row, c) = real ? box[c] : T{0};
      samples.targets[row] = target;
      samples.labels[row] = target >= 0 ? candidates.classes(n, target) : (real ? num_classes : -1);
      samples.image[row] = real ? static_cast<std::int32_t>(n) : -1;
    }
    samples.counts(n, 0) = static_cast<std::int32_t>(found.positives);
    samples.counts(n, 1) = static_cast<std::int32_t>(found.negatives);
  });
}

template <class T>
void rpn_average_factor(Rows<const std::int32_t> counts, Span<T> factor) {
  check_average_factor("rpn_average_factor", counts, factor.size);
  std::int64_t total = 0;
  for (std::int64_t n = 0; n < counts.rows; ++n)
    total += std::max(counts(n, 0), 1) + std::max(counts(n, 1), 1);
  factor[0] = static_cast<T>(total);
}

template <class T>
void roi_average_factor(Rows<const std::int32_t> counts, Span<T> factor) {
  check_average_factor("roi_average_factor", counts, factor.size);
  std::int64_t total = 0;
  for (std::int64_t n = 0; n < counts.rows; ++n) total += counts(n, 0) + counts(n, 1);
  factor[0] = static_cast<T>(std::max<std::int64_t>(total, 1));
}

template void sample_rois(const RoiCandidates<float>&, const SampleDraw&, const RoiSamples<float>&,
                          Span<std::byte>, const SampleRule&, std::int32_t);
template void sample_rois(const RoiCandidates<double>&, const SampleDraw&,
                          const RoiSamples<double>&, Span<std::byte>, const SampleRule&,
                          std::int32_t);
template void rpn_average_factor(Rows<const std::int32_t>, Span<float>);
template void rpn_average_factor(Rows<const std::int32_t>, Span<double>);
template void roi_average_factor(Rows<const std::int32_t>, Span<float>);
template void roi_average_factor(Rows<const std::int32_t>, Span<double>);

}  // namespace cpu
}  // namespace ktrain
