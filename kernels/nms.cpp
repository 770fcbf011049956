// A list is sorted into columns of coordinates; each kept box then strikes out all later ones in
// one vectorised pass. Lists run in parallel.
#include "kernels/nms.h"

#include <algorithm>
#include <numeric>

#include "kernels/check.h"
#include "kernels/iou.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/topk.h"

namespace ktrain::cpu {
namespace {

// Of one list, sorted by score.
template <class T>
struct Columns {
  T *x1, *y1, *x2, *y2, *area;
  std::int32_t* order;   // index in the list
  std::int32_t* struck;  // 0 or 1
};

template <class T>
struct Pieces {
  Span<T> numbers;
  Span<std::int32_t> integers;

  Pieces(Scratch& scratch, std::int64_t batch, std::int64_t capacity)
      : numbers(scratch.take<T>(batch * capacity * 5)),
        integers(scratch.take<std::int32_t>(batch * capacity * 2)) {}

  Columns<T> columns(std::int64_t n, std::int64_t capacity) const {
    T* const first = numbers.data + n * capacity * 5;
    std::int32_t* const order = integers.data + n * capacity * 2;
    return {
        first, first + capacity, first + 2 * capacity, first + 3 * capacity, first + 4 * capacity,
        order, order + capacity};
  }
};

template <class T>
void sort_into(const Columns<T>& columns, const T* boxes, const T* scores, std::int64_t count) {
  std::int32_t* const order = columns.order;
  const auto before = [&](std::int32_t i, std::int32_t j) { return ranks_before(scores, i, j); };
  std::iota(order, order + count, 0);
  if (!std::is_sorted(order, order + count, before)) std::sort(order, order + count, before);
  for (std::int64_t i = 0; i < count; ++i) {
    const T* const box = boxes + std::int64_t{order[i]} * 4;
    columns.x1[i] = box[0];
    columns.y1[i] = box[1];
    columns.x2[i] = box[2];
    columns.y2[i] = box[3];
    columns.area[i] = box_area(box);
    columns.struck[i] = 0;
  }
}

template <class T>
void strike(const Columns<T>& columns, std::int64_t kept, std::int64_t count, T threshold) {
  const T x1 = columns.x1[kept], y1 = columns.y1[kept], x2 = columns.x2[kept],
          y2 = columns.y2[kept], area = columns.area[kept];
  const Columns<T> c = columns;
#pragma omp simd
  for (std::int64_t j = kept + 1; j < count; ++j) {
    const T common = intersection(x1, y1, x2, y2, c.x1[j], c.y1[j], c.x2[j], c.y2[j]);
    c.struck[j] |= common / (area + c.area[j] - common) > threshold ? 1 : 0;
  }
}

}  // namespace

template <class T>
std::int64_t nms_scratch_bytes(std::int64_t batch, std::int64_t capacity) {
  Scratch scratch;
  (void)Pieces<T>(scratch, batch, capacity);
  return scratch.bytes();
}

template <class T>
void nms(BoxList<const T> boxes, Rows<const T> scores, Rows<std::int32_t> kept,
         Span<std::int32_t> kept_counts, Span<std::byte> scratch, T iou_threshold) {
  KT_CHECK(scores.rows == boxes.batch && scores.cols == boxes.capacity &&
               kept.rows == boxes.batch && kept_counts.size == boxes.batch,
           "nms: {} lists of {} boxes, scores {}x{}, kept {}x{}, {} counts", boxes.batch,
           boxes.capacity, scores.rows, scores.cols, kept.rows, kept.cols, kept_counts.size);
  Scratch carver(scratch);
  const Pieces<T> pieces(carver, boxes.batch, boxes.capacity);
  parallel_for(boxes.batch, 1, [&](std::int64_t n) {
    const std::int64_t count = boxes.counts ? boxes.counts[n] : boxes.capacity;
    const Columns<T> columns = pieces.columns(n, boxes.capacity);
    sort_into(columns, boxes.box(n, 0), scores.data + n * scores.cols, count);
    std::int32_t found = 0;
    for (std::int64_t i = 0; i < count && found < kept.cols; ++i) {
      if (columns.struck[i]) continue;
      kept(n, found++) = columns.order[i];
      strike(columns, i, count, iou_threshold);
    }
    kept_counts[n] = found;
    std::fill(kept.data + n * kept.cols + found, kept.data + (n + 1) * kept.cols, -1);
  });
}

template std::int64_t nms_scratch_bytes<float>(std::int64_t, std::int64_t);
template std::int64_t nms_scratch_bytes<double>(std::int64_t, std::int64_t);
template void nms(BoxList<const float>, Rows<const float>, Rows<std::int32_t>, Span<std::int32_t>,
                  Span<std::byte>, float);
template void nms(BoxList<const double>, Rows<const double>, Rows<std::int32_t>, Span<std::int32_t>,
                  Span<std::byte>, double);

}  // namespace ktrain::cpu
