#include "kernels/proposals.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/box_codec.h"
#include "kernels/checks/proposals.h"
#include "kernels/cpu/best_lists.h"
#include "kernels/device/list_pieces.h"

namespace ktrain {

std::int64_t cuda::propose_scratch_bytes(std::int64_t images, std::int64_t levels,
                                         const ProposalRule& rule) {
  Scratch scratch;
  (void)ListPieces(scratch, {images, levels, rule.per_level, rule.per_image});
  return scratch.bytes();
}

namespace cpu {
namespace {

template <class T>
struct Pieces {
  Span<std::int32_t> top;  // lists x per_level
  BestLists<T> lists;

  Pieces(Scratch& scratch, std::int64_t images, std::int64_t levels, const ProposalRule& rule)
      : top(scratch.take<std::int32_t>(images * levels * rule.per_level)),
        lists(scratch, {images, levels, rule.per_level, rule.per_image}) {}
};

// The best anchors of one level of one image, decoded; `first` is the level's first anchor.
template <class T>
void fill_list(const RpnOutput<T>& output, const Pieces<T>& pieces, std::int64_t n,
               std::int64_t level, std::int64_t first, std::int64_t per_level) {
  const std::int64_t list = n * output.levels.size + level;
  const std::int64_t row = n * output.logits.cols + first;
  const T* const logits = output.logits.data + row;
  const std::int64_t size = output.levels[level].num_anchors();
  const Span<std::int32_t> top{pieces.top.data + list * per_level, std::min(per_level, size)};
  topk_row(Span<const T>{logits, size}, top);
  const T height = static_cast<T>(output.sizes(n, 0)), width = static_cast<T>(output.sizes(n, 1));
  pieces.lists.counts[list] = 0;
  for (std::int64_t k = 0; k < top.size; ++k) {
    T box[4];
    decode_box(output.anchors.data + (first + top[k]) * 4, output.deltas.data + (row + top[k]) * 4,
               BoxCoding{}, box);
    clip_box(width, height, box);
    if (box[2] - box[0] > T{0} && box[3] - box[1] > T{0})
      pieces.lists.append(list, box, logits[top[k]]);
  }
}

}  // namespace

template <class T>
std::int64_t propose_scratch_bytes(std::int64_t images, std::int64_t levels,
                                   const ProposalRule& rule) {
  Scratch scratch;
  (void)Pieces<T>(scratch, images, levels, rule);
  return scratch.bytes();
}

template <class T>
void propose(const RpnOutput<T>& output, const ScoredBoxes<T>& proposals, Span<std::byte> scratch,
             const ProposalRule& rule) {
  check_propose(output, proposals, rule);
  const std::int64_t images = output.logits.rows, levels = output.levels.size;
  Scratch carver(scratch);
  const Pieces<T> pieces(carver, images, levels, rule);
  parallel_for(images * levels, 1, [&](std::int64_t list) {
    const std::int64_t level = list % levels;
    const std::int64_t first = num_anchors(Span<const PyramidLevel>{output.levels.data, level});
    fill_list(output, pieces, list / levels, level, first, rule.per_level);
  });
  const BestLists<T>& lists = pieces.lists;
  lists.select(
      static_cast<T>(rule.iou_threshold),
      [&](std::int64_t n, std::int64_t rank, std::int64_t place) {
        std::copy_n(lists.boxes.data + place * 4, 4,
                    proposals.boxes.data + (n * rule.per_image + rank) * 4);
        proposals.scores(n, rank) = T{1} / (T{1} + std::exp(-lists.scores[place]));
      },
      [&](std::int64_t n, std::int64_t count) {
        proposals.counts[n] = static_cast<std::int32_t>(count);
        const std::int64_t begin = n * rule.per_image + count, end = (n + 1) * rule.per_image;
        std::fill(proposals.boxes.data + begin * 4, proposals.boxes.data + end * 4, T{0});
        std::fill(proposals.scores.data + begin, proposals.scores.data + end, T{0});
      });
}

void image_of_rows(Span<const std::int32_t> counts, Span<std::int32_t> image) {
  check_image_of_rows(counts, image);
  if (image.empty()) return;
  const std::int64_t capacity = image.size / counts.size;
  for (std::int64_t i = 0; i < image.size; ++i) {
    const std::int64_t n = i / capacity;
    image[i] = i % capacity < counts[n] ? static_cast<std::int32_t>(n) : -1;
  }
}

template std::int64_t propose_scratch_bytes<float>(std::int64_t, std::int64_t, const ProposalRule&);
template std::int64_t propose_scratch_bytes<double>(std::int64_t, std::int64_t,
                                                    const ProposalRule&);
template void propose(const RpnOutput<float>&, const ScoredBoxes<float>&, Span<std::byte>,
                      const ProposalRule&);
template void propose(const RpnOutput<double>&, const ScoredBoxes<double>&, Span<std::byte>,
                      const ProposalRule&);

}  // namespace cpu
}  // namespace ktrain
