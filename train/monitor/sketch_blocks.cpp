#include "train/monitor/sketch_blocks.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "kernels/count_sketch.h"
#include "runtime/fault.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

const std::string kPrefix = "monitor.sketch.", kOwnHead = "aux.";

}  // namespace

SketchBlocks::SketchBlocks(const ContextPtr& context, const LayerGroups& groups,
                           const Options& options)
    : options_(options) {
  KT_CHECK(options.window >= kBlocks && options.window % kBlocks == 0,
           "sketches: a window of {} probes, wanted a multiple of {}", options.window, kBlocks);
  const MemoryUseScope use(MemoryUse::kWorkspace);
  for (const LayerGroups::Group& group : groups.all()) {
    names_.push_back(group.name);
    if (group.name.starts_with(kOwnHead)) {
      sums_.emplace_back();
      identity_.push_back(true);
      continue;
    }
    identity_.push_back(group.elements <= options.buckets);
    const std::int64_t columns = std::min(group.elements, options.buckets);
    sums_.push_back(Tensor::zeros(context, {kBlocks * options.losses, columns}));
  }
}

Rows<float> SketchBlocks::rows(std::size_t group, std::int64_t block) {
  const Rows<float> all = sums_[group].mutable_rows<float>();
  return {all.data + block * options_.losses * all.cols, options_.losses, all.cols};
}

void SketchBlocks::clear(std::int64_t block) {
  for (std::size_t g = 0; g < sums_.size(); ++g) {
    if (!has(g)) continue;
    const Rows<float> sums = rows(g, block);
    std::fill(sums.data, sums.data + sums.size(), 0.0f);
  }
}

void SketchBlocks::begin_segment() {
  ++segment_;
  probes_ = filled_ = used_ = 0;
  per_block_ = 1;
  newest_ = -1;
}

void SketchBlocks::join_neighbours() {
  // All blocks are full and stand in the order of time.
  for (std::size_t g = 0; g < sums_.size(); ++g)
    for (std::int64_t b = 0; has(g) && b < kBlocks / 2; ++b) {
      const Rows<float> first = rows(g, 2 * b), second = rows(g, 2 * b + 1), into = rows(g, b);
      for (std::int64_t i = 0; i < into.size(); ++i) into.data[i] = first.data[i] + second.data[i];
    }
  per_block_ *= 2;
  used_ = kBlocks / 2;
  newest_ = used_ - 1;
  filled_ = per_block_;
}

void SketchBlocks::begin_probe() {
  if (used_ > 0 && filled_ < per_block_) {
    ++filled_;
    ++probes_;
    return;
  }
  if (used_ == kBlocks && per_block_ * kBlocks < options_.window) join_neighbours();
  newest_ = (newest_ + 1) % kBlocks;
  if (used_ < kBlocks)
    ++used_;
  else
    probes_ -= per_block_;
  clear(newest_);
  filled_ = 1;
  ++probes_;
}

void SketchBlocks::add(LayerGroups::Place place, Span<const Span<const float>> vectors,
                       const Remainder& remainder) {
  const auto group = static_cast<std::size_t>(place.group);
  if (!has(group)) return;
  // One hash per segment and group, so that groups' errors have nothing to do with each other.
  const auto seed = static_cast<std::uint32_t>(
      options_.seed * 1000003u + static_cast<std::uint64_t>(segment_) * 8191u + group);
  cpu::count_sketch<float>(vectors, remainder, {seed, identity_[group]}, place.offset,
                           rows(group, newest_));
}

BlockSums SketchBlocks::sums(std::size_t group) const {
  BlockSums sums;
  sums.losses = static_cast<std::size_t>(options_.losses);
  sums.counts.assign(static_cast<std::size_t>(used_), per_block_);
  if (used_ > 0) sums.counts.back() = filled_;
  const std::int64_t losses = options_.losses, oldest = used_ < kBlocks ? 0 : newest_ + 1;
  const Rows<const float> all = sums_[group].rows<float>();
  std::vector<std::span<const float>> vectors;
  for (std::int64_t entry = 0; entry < used_ * losses; ++entry) {
    const std::int64_t block = (oldest + entry / losses) % kBlocks;
    vectors.emplace_back(all.data + (block * losses + entry % losses) * all.cols,
                         static_cast<std::size_t>(all.cols));
  }
  sums.products = inner_products(vectors);
  return sums;
}

std::vector<NamedArray> SketchBlocks::state() const {
  std::vector<NamedArray> arrays;
  for (std::size_t g = 0; g < sums_.size(); ++g)
    if (has(g)) arrays.push_back(named_array(kPrefix + names_[g], sums_[g]));
  return arrays;
}

std::vector<std::int64_t> SketchBlocks::numbers() const {
  return {segment_, probes_, per_block_, newest_, filled_, used_};
}

bool SketchBlocks::possible(std::span<const std::int64_t> numbers) const {
  const std::int64_t segment = numbers[0], probes = numbers[1], per_block = numbers[2];
  const std::int64_t newest = numbers[3], filled = numbers[4], used = numbers[5];
  if (segment < 0 || used < 0 || used > kBlocks || per_block < 1 ||
      per_block > options_.window / kBlocks || (per_block & (per_block - 1)) != 0)
    return false;
  if (used == 0) return probes == 0 && filled == 0 && newest == -1 && per_block == 1;
  return filled >= 1 && filled <= per_block && probes == (used - 1) * per_block + filled &&
         newest >= 0 && (used < kBlocks ? newest == used - 1 : newest < kBlocks);
}

bool SketchBlocks::restore(const LoadedCheckpoint& from, std::span<const std::int64_t> numbers) {
  if (numbers.size() != 6 || !possible(numbers))
    throw_fault(
        "KT-CKPT-003",
        "{}: the monitor's sketches stand at {}, which cannot be with a window of {} probes; "
        "move the file away to go on from the checkpoint before it",
        from.path(), fmt::join(numbers, " "), options_.window);
  for (std::size_t g = 0; g < sums_.size(); ++g) {
    if (!has(g)) continue;
    const ArraySpec wanted = array_spec(kPrefix + names_[g], sums_[g]);
    const auto found = from.find(wanted.name);
    if (!found || found->spec.shape != wanted.shape) return false;
  }
  for (std::size_t g = 0; g < sums_.size(); ++g)
    if (has(g)) load_tensor(from, kPrefix + names_[g], sums_[g]);
  segment_ = numbers[0], probes_ = numbers[1], per_block_ = numbers[2];
  newest_ = numbers[3], filled_ = numbers[4], used_ = numbers[5];
  return true;
}

}  // namespace ktrain
