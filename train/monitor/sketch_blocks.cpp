#include "train/monitor/sketch_blocks.h"

#include <algorithm>
#include <bit>

#include <fmt/ranges.h>

#include "kernels/count_sketch.h"
#include "kernels/elementwise.h"
#include "kernels/sketch_blocks.h"
#include "runtime/box_views.h"
#include "runtime/fault.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

const std::string kPrefix = "monitor.sketch.", kOwnHead = "aux.";
constexpr std::int64_t kKept = SketchBlocks::kBlocks - 1, kShort = 2;  // blocks; bytes of bfloat16

bool in_trunk(const std::string& group) {
  return group.starts_with("visible.") || group.starts_with("thermal.") ||
         group.starts_with("shared.");
}

}  // namespace

SketchBlocks::SketchBlocks(const ContextPtr& context, const LayerGroups& groups,
                           const Options& options)
    : options_(options) {
  KT_CHECK(options.window >= kBlocks && options.window % kBlocks == 0,
           "sketches: a window of {} probes, wanted a multiple of {}", options.window, kBlocks);
  KT_CHECK(options.trunk_losses < options.losses, "sketches: {} of {} losses are the trunk's",
           options.trunk_losses, options.losses);
  const MemoryUseScope use(MemoryUse::kWorkspace);
  for (const LayerGroups::Group& of : groups.all()) {
    Group& group = groups_.emplace_back();
    group.name = of.name;
    if (of.name.starts_with(kOwnHead)) continue;
    group.identity = of.elements <= options.buckets;
    group.losses = in_trunk(of.name) ? options.losses : options.losses - options.trunk_losses;
    const std::int64_t columns = std::min(of.elements, options.buckets);
    group.newest = Tensor::zeros(context, {group.losses, columns});
    group.finished = Tensor::zeros(context, {kKept * group.losses, kShort * columns}, DType::kU8);
  }
}

Span<Bfloat16> SketchBlocks::finished(Group& group) {
  std::uint8_t* const bytes = group.finished.mutable_span<std::uint8_t>().data;
  return {reinterpret_cast<Bfloat16*>(bytes), kKept * group.newest.size()};
}

void SketchBlocks::begin_segment() {
  ++segment_;
  probes_ = finished_ = filled_ = 0;
  per_block_ = 1;
}

// Puts the newest block behind the finished ones; the oldest makes room where all places are taken.
void SketchBlocks::finish_newest() {
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (has(g)) {
      Group& group = groups_[g];
      KT_RUN(group.newest.queue(), push_block, group.newest.span<float>(), finished(group),
             finished_);
    }
  if (finished_ == kKept)
    probes_ -= per_block_;
  else
    ++finished_;
}

// All kBlocks blocks are full: leaves half as many, twice as long.
void SketchBlocks::join_neighbours() {
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (has(g)) {
      Group& group = groups_[g];
      KT_RUN(group.newest.queue(), join_blocks, group.newest.span<float>(), finished(group));
    }
  per_block_ *= 2;
  finished_ = kBlocks / 2;
}

void SketchBlocks::begin_probe() {
  ++probes_;
  if (filled_ > 0 && filled_ < per_block_) {
    ++filled_;
    return;
  }
  if (blocks() == kBlocks && per_block_ * kBlocks < options_.window)
    join_neighbours();
  else if (filled_ > 0)
    finish_newest();
  for (Group& group : groups_)
    if (group.newest.defined())
      KT_RUN(group.newest.queue(), fill, group.newest.mutable_span<float>(), 0.0);
  filled_ = 1;
}

void SketchBlocks::add(LayerGroups::Place place, Span<const Span<const float>> vectors,
                       const Remainder& remainder) {
  const auto at = static_cast<std::size_t>(place.group);
  if (!has(at)) return;
  Group& group = groups_[at];
  KT_CHECK(vectors.size == options_.losses && remainder.index < group.losses,
           "sketches: {} gradients, wanted {}", vectors.size, options_.losses);
  for (std::int64_t k = group.losses; k < vectors.size; ++k)
    KT_CHECK(vectors[k].empty(), "sketches: loss {} reaches {}, beside the trunk", k, group.name);
  Remainder within = remainder;
  if (within.index >= 0) within.mix.size = group.losses;
  // One hash per segment and group, so that groups' errors have nothing to do with each other.
  const auto seed = static_cast<std::uint32_t>(options_.seed * 1000003u +
                                               static_cast<std::uint64_t>(segment_) * 8191u + at);
  const SketchHash hash{seed, group.identity};
  const Span<const Span<const float>> own{vectors.data, group.losses};
  const Tensor& newest = group.newest;
  Tensor scratch = scratch_bytes(
      newest,
      on_device(newest, 0, cuda::count_sketch_scratch_bytes(own, within, hash, newest.size(1))));
  KT_RUN(newest.queue(), count_sketch, own, within, hash, place.offset,
         group.newest.mutable_rows<float>(), bytes_of(scratch));
}

// The blocks of one group, oldest first; a vector for each of its losses.
std::vector<std::vector<float>> SketchBlocks::read(const Group& group) const {
  const auto size = static_cast<std::size_t>(group.newest.size()),
             columns = static_cast<std::size_t>(group.newest.size(1));
  std::vector<float> all(static_cast<std::size_t>(blocks()) * size);
  if (finished_ > 0) {
    std::vector<Bfloat16> bits(static_cast<std::size_t>(kKept) * size);
    group.finished.read_bytes(std::as_writable_bytes(std::span(bits)));
    std::transform(bits.begin(), bits.begin() + finished_ * static_cast<std::int64_t>(size),
                   all.begin(), to_float);
  }
  if (filled_ > 0) {
    const std::vector<float> newest = group.newest.to_vector<float>();
    std::copy(newest.begin(), newest.end(), all.end() - static_cast<std::ptrdiff_t>(size));
  }
  std::vector<std::vector<float>> vectors;
  for (std::size_t at = 0; at < all.size(); at += size)
    for (std::size_t k = 0; k < static_cast<std::size_t>(options_.losses); ++k) {
      vectors.emplace_back(columns, 0.0f);
      if (k < static_cast<std::size_t>(group.losses))
        std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at + k * columns), columns,
                    vectors.back().begin());
    }
  return vectors;
}

std::vector<std::vector<float>> SketchBlocks::block(std::size_t group, std::int64_t index) const {
  const std::vector<std::vector<float>> all = read(groups_[group]);
  const auto first = all.begin() + index * options_.losses;
  return {first, first + options_.losses};
}

BlockSums SketchBlocks::sums(std::size_t group) const {
  BlockSums sums;
  sums.losses = static_cast<std::size_t>(options_.losses);
  sums.counts.assign(static_cast<std::size_t>(blocks()), per_block_);
  if (filled_ > 0) sums.counts.back() = filled_;
  const std::vector<std::vector<float>> kept = read(groups_[group]);
  sums.products = inner_products(std::vector<std::span<const float>>(kept.begin(), kept.end()));
  return sums;
}

std::vector<NamedArray> SketchBlocks::state() const {
  std::vector<NamedArray> arrays;
  for (const Group& group : groups_) {
    if (!group.newest.defined()) continue;
    arrays.push_back(named_array(kPrefix + group.name, group.newest));
    arrays.push_back(named_array(kPrefix + group.name + ".finished", group.finished));
  }
  return arrays;
}

std::vector<std::int64_t> SketchBlocks::numbers() const {
  return {segment_, per_block_, finished_, filled_};
}

bool SketchBlocks::possible(std::span<const std::int64_t> numbers) const {
  const std::int64_t segment = numbers[0], per_block = numbers[1];
  const std::int64_t finished = numbers[2], filled = numbers[3];
  if (segment < 0 || finished < 0 || finished > kKept || per_block < 1 ||
      per_block > options_.window / kBlocks ||
      !std::has_single_bit(static_cast<std::uint64_t>(per_block)))
    return false;
  if (filled == 0) return finished == 0 && per_block == 1;
  return filled >= 1 && filled <= per_block;
}

bool SketchBlocks::restore(const LoadedCheckpoint& from, std::span<const std::int64_t> numbers) {
  if (numbers.size() != 4 || !possible(numbers))
    throw_fault(
        "KT-CKPT-003",
        "{}: the monitor's sketches stand at {}, which cannot be with a window of {} probes; "
        "move the file away to go on from the checkpoint before it",
        from.path(), fmt::join(numbers, " "), options_.window);
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (const Group& group : groups_) {
    if (!group.newest.defined()) continue;
    arrays.emplace_back(kPrefix + group.name, group.newest);
    arrays.emplace_back(kPrefix + group.name + ".finished", group.finished);
  }
  for (const auto& [name, tensor] : arrays) {
    const auto found = from.find(name);
    if (!found || found->spec.shape != array_spec(name, tensor).shape) return false;
  }
  for (const auto& [name, tensor] : arrays) load_tensor(from, name, tensor);
  segment_ = numbers[0], per_block_ = numbers[1], finished_ = numbers[2], filled_ = numbers[3];
  probes_ = finished_ * per_block_ + filled_;
  return true;
}

}  // namespace ktrain
