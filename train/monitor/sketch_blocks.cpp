#include "train/monitor/sketch_blocks.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/ranges.h>

#include "kernels/count_sketch.h"
#include "runtime/fault.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

const std::string kPrefix = "monitor.sketch.", kOwnHead = "aux.";
constexpr std::int64_t kKept = SketchBlocks::kBlocks - 1, kShort = 2;  // blocks; bytes of bfloat16

// The nearest bfloat16, ties to even; what is not finite stays so.
std::uint16_t shortened(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

void shorten(const float* from, std::int64_t size, std::uint8_t* into) {
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint16_t value = shortened(from[i]);
    std::memcpy(into + kShort * i, &value, sizeof(value));
  }
}

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

std::uint8_t* SketchBlocks::bytes(Group& group, std::int64_t block) {
  return group.finished.mutable_span<std::uint8_t>().data + kShort * group.newest.size() * block;
}

void SketchBlocks::read(const Group& group, std::int64_t block, float* into) {
  const std::int64_t size = group.newest.size();
  const std::uint8_t* const from = group.finished.span<std::uint8_t>().data + kShort * size * block;
  for (std::int64_t i = 0; i < size; ++i) {
    std::uint16_t value = 0;
    std::memcpy(&value, from + kShort * i, sizeof(value));
    into[i] = std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
  }
}

void SketchBlocks::begin_segment() {
  ++segment_;
  probes_ = finished_ = filled_ = 0;
  per_block_ = 1;
}

// Puts the newest block behind the finished ones; the oldest makes room where all places are taken.
void SketchBlocks::finish_newest() {
  const bool full = finished_ == kKept;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (!has(g)) continue;
    Group& group = groups_[g];
    const std::int64_t size = group.newest.size();
    if (full) std::memmove(bytes(group, 0), bytes(group, 1), (kKept - 1) * kShort * size);
    shorten(group.newest.span<float>().data, size, bytes(group, full ? kKept - 1 : finished_));
  }
  if (full)
    probes_ -= per_block_;
  else
    ++finished_;
}

// All kBlocks blocks are full: leaves half as many, twice as long.
void SketchBlocks::join_neighbours() {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (!has(g)) continue;
    Group& group = groups_[g];
    const std::int64_t size = group.newest.size();
    std::vector<float> first(static_cast<std::size_t>(size)), second(first);
    for (std::int64_t b = 0; b < kBlocks / 2; ++b) {
      read(group, 2 * b, first.data());
      if (2 * b + 1 < kKept)
        read(group, 2 * b + 1, second.data());
      else
        std::copy_n(group.newest.span<float>().data, size, second.data());
      for (std::size_t i = 0; i < first.size(); ++i) first[i] += second[i];
      shorten(first.data(), size, bytes(group, b));
    }
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
    if (group.newest.defined()) {
      const Span<float> sums = group.newest.mutable_span<float>();
      std::fill(sums.data, sums.data + sums.size, 0.0f);
    }
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
  cpu::count_sketch<float>({vectors.data, group.losses}, within, {seed, group.identity},
                           place.offset, group.newest.mutable_rows<float>());
}

std::vector<std::vector<float>> SketchBlocks::block(std::size_t group, std::int64_t index) const {
  const Group& of = groups_[group];
  const auto columns = static_cast<std::size_t>(of.newest.size(1));
  std::vector<float> all(static_cast<std::size_t>(of.newest.size()));
  if (index < finished_)
    read(of, index, all.data());
  else
    std::copy_n(of.newest.span<float>().data, all.size(), all.data());
  std::vector<std::vector<float>> by_loss(static_cast<std::size_t>(options_.losses),
                                          std::vector<float>(columns));
  for (std::size_t k = 0; k < static_cast<std::size_t>(of.losses); ++k)
    by_loss[k].assign(all.begin() + static_cast<std::ptrdiff_t>(k * columns),
                      all.begin() + static_cast<std::ptrdiff_t>((k + 1) * columns));
  return by_loss;
}

BlockSums SketchBlocks::sums(std::size_t group) const {
  BlockSums sums;
  sums.losses = static_cast<std::size_t>(options_.losses);
  sums.counts.assign(static_cast<std::size_t>(blocks()), per_block_);
  if (filled_ > 0) sums.counts.back() = filled_;
  std::vector<std::vector<float>> kept;
  for (std::int64_t b = 0; b < blocks(); ++b)
    for (std::vector<float>& vector : block(group, b)) kept.push_back(std::move(vector));
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
