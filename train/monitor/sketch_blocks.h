// Sums of gradients over blocks of probes, as count sketches: what the cross-batch cosine is
// estimated from (train/monitor/cross_batch.h), since products of sums cannot be had from Gram
// matrices of single batches.
//
// A window has kBlocks blocks. The first ones hold one probe each; when all are full, neighbours
// are joined and blocks hold twice as many, until the window is as long as the plan says; from then
// on the oldest block makes room. Hashes change with the segment: what a fixed hash gets wrong
// would not average out.
//
// The newest block is summed in float. Those before it are kept in bfloat16: rounding by 2^-8 of a
// bucket, each by itself, is far below the sketch's own error of 1 / sqrt(buckets).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/gram.h"
#include "runtime/tensor.h"
#include "train/checkpoint_file.h"
#include "train/monitor/cross_batch.h"
#include "train/monitor/layer_groups.h"

namespace ktrain {

class SketchBlocks {
 public:
  static constexpr std::int64_t kBlocks = 16;

  struct Options {
    std::int64_t losses = 2;
    std::int64_t buckets =
        16384;  // a power of two; groups of that many elements or fewer are kept whole
    std::int64_t window = 64;  // probes, kBlocks times a power of two
    std::uint64_t seed = 1;
    // Losses that reach the trunk alone, the last of all: in groups beside it (fusion, rpn, roi)
    // they have a gradient of zero, and no sketch.
    std::int64_t trunk_losses = 0;
  };

  SketchBlocks(const ContextPtr& context, const LayerGroups& groups, const Options& options);

  // Forgets all and takes other hashes.
  void begin_segment();
  // The block of a new probe; `add` then collects one parameter's gradients: `vectors` as in
  // kernels/gram.h, undefined where a loss of the trunk meets a group beside it.
  void begin_probe();
  void add(LayerGroups::Place place, Span<const Span<const float>> vectors,
           const Remainder& remainder);

  [[nodiscard]] std::int64_t segment() const { return segment_; }
  // Probes in the window, and in each of its blocks (the newest one may hold fewer).
  [[nodiscard]] std::int64_t probes() const { return probes_; }
  [[nodiscard]] std::int64_t probes_per_block() const { return per_block_; }
  [[nodiscard]] std::int64_t blocks() const { return finished_ + (filled_ > 0 ? 1 : 0); }
  [[nodiscard]] bool window_full() const { return probes_ >= options_.window; }

  // Whether a group is sketched: a loss' own head ("aux.") is not, since detection has no gradient
  // there to compare with.
  [[nodiscard]] bool has(std::size_t group) const { return groups_[group].newest.defined(); }
  // Of one group, the oldest block first, without the mean squares. Not exact: see
  // kernels/count_sketch.h. Waits for the device, as block() does.
  [[nodiscard]] BlockSums sums(std::size_t group) const;
  // The sketches of one block, the oldest is 0: one vector per loss, zeros where it has none.
  [[nodiscard]] std::vector<std::vector<float>> block(std::size_t group, std::int64_t index) const;

  [[nodiscard]] std::vector<NamedArray> state() const;
  // The numbers beside the arrays: segment, probes per block, finished blocks, probes in the
  // newest.
  [[nodiscard]] std::vector<std::int64_t> numbers() const;
  // The reverse of both. False when the file has none that fit; then nothing has changed. Throws
  // Fault KT-CKPT-003 for numbers that no sketches could have.
  [[nodiscard]] bool restore(const LoadedCheckpoint& from, std::span<const std::int64_t> numbers);

 private:
  struct Group {
    std::string name;
    bool identity = true;
    std::int64_t losses = 0;
    Tensor newest;    // losses x columns; undefined: not sketched
    Tensor finished;  // bytes of bfloat16, the oldest first: (kBlocks - 1) * losses x columns
  };

  [[nodiscard]] std::int64_t losses_of(const std::string& group) const;
  [[nodiscard]] static Span<Bfloat16> finished(Group& group);
  [[nodiscard]] std::vector<std::vector<float>> read(const Group& group) const;
  [[nodiscard]] bool possible(std::span<const std::int64_t> numbers) const;
  void finish_newest();
  void join_neighbours();

  Options options_;
  std::vector<Group> groups_;
  std::int64_t segment_ = 0, probes_ = 0, per_block_ = 1;
  std::int64_t finished_ = 0, filled_ = 0;  // blocks before the newest, probes in it
};

}  // namespace ktrain
