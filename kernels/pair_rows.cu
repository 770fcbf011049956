// Tables of some hundred rows: a thread per row, or per pair of rows. Counts are taken by one block
// in whole numbers. Overlaps are those of kernels/iou.h, bit for bit.
#include "kernels/pair_rows.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/iou.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

// PairRowViews as kernels take them.
struct Table {
  float* rois;
  std::int32_t* image;
  std::int32_t* marks;
  float* valid;

  __device__ void no_row(std::int64_t r) const {
    for (int c = 0; c < 4; ++c) rois[4 * r + c] = 0;
    for (int c = 0; c < kMarkColumns; ++c) marks[kMarkColumns * r + c] = -1;
    image[r] = -1;
    valid[r] = 0;
  }
  __device__ void mark_row(std::int64_t r, const std::int32_t* identity, std::int64_t image_,
                           std::int32_t target) const {
    for (int c = 0; c < kIdentityColumns; ++c)
      marks[kMarkColumns * r + c] = identity[image_ * kIdentityColumns + c];
    marks[kMarkColumns * r + kMarkTarget] = target;
    image[r] = static_cast<std::int32_t>(image_);
    valid[r] = 1;
  }
};

struct Regions {
  const float* rois;
  const std::int32_t* labels;
  const std::int32_t* targets;
  std::int64_t size, per_image, all;  // regions of an image, rows of an image, rows
  std::int32_t num_classes;
};

// Both in one block, which counts what it wrote.
__global__ void __launch_bounds__(kThreads)
    positive_kernel(Regions regions, const std::int32_t* identity, Table out, std::int32_t* count) {
  int* const scratch = shared_array<int, kThreads / kWarpSize, struct PositiveScratch>();
  int rows = 0;
  for (std::int64_t to = threadIdx.x; to < regions.all; to += kThreads) {
    const std::int64_t n = to / regions.per_image, k = to % regions.per_image;
    const std::int64_t from = n * regions.size + k;
    const std::int32_t label = k < regions.size ? regions.labels[from] : -1;
    if (label < 0 || label >= regions.num_classes) {
      out.no_row(to);
      continue;
    }
    for (int c = 0; c < 4; ++c) out.rois[4 * to + c] = regions.rois[4 * from + c];
    out.mark_row(to, identity, n, regions.targets[from]);
    ++rows;
  }
  rows = block_reduce<kThreads>(rows, Add{}, 0, scratch);
  if (threadIdx.x == 0) count[0] = rows;
}

__global__ void __launch_bounds__(kThreads)
    whole_kernel(const std::int32_t* sizes, const std::int32_t* identity, std::int64_t images,
                 Table out, std::int32_t* count) {
  int* const scratch = shared_array<int, kThreads / kWarpSize, struct WholeScratch>();
  int rows = 0;
  for (std::int64_t n = threadIdx.x; n < images; n += kThreads) {
    out.no_row(n);
    if (identity[n * kIdentityColumns + kMarkPlace] < 0) continue;
    out.rois[4 * n + 2] = static_cast<float>(sizes[2 * n + 1]);
    out.rois[4 * n + 3] = static_cast<float>(sizes[2 * n]);
    out.mark_row(n, identity, n, -1);
    ++rows;
  }
  rows = block_reduce<kThreads>(rows, Add{}, 0, scratch);
  if (threadIdx.x == 0) count[0] = rows;
}

struct Exclude {
  const float* rois;
  const std::int32_t* image;
  const std::int32_t* marks;
  double negative_iou;
  std::int64_t neighbours;

  [[nodiscard]] __device__ std::int32_t mark(std::int64_t r, MarkColumn c) const {
    return marks[r * kMarkColumns + c];
  }
  [[nodiscard]] __device__ bool same(std::int64_t i, std::int64_t j) const {
    if (image[i] < 0 || image[j] < 0 || i == j) return true;
    if (image[i] == image[j]) {
      if (mark(i, kMarkTarget) >= 0 && mark(i, kMarkTarget) == mark(j, kMarkTarget)) return true;
      return static_cast<double>(box_overlap(rois + 4 * i, rois + 4 * j, Overlap::kIou)) >=
             negative_iou;
    }
    if (mark(i, kMarkPlace) >= 0 && mark(i, kMarkPlace) == mark(j, kMarkPlace)) return true;
    if (mark(i, kMarkGroup) < 0 || mark(i, kMarkGroup) != mark(j, kMarkGroup)) return false;
    if (mark(i, kMarkFrame) < 0 || mark(j, kMarkFrame) < 0) return false;
    const std::int64_t apart = std::int64_t{mark(i, kMarkFrame)} - mark(j, kMarkFrame);
    return (apart < 0 ? -apart : apart) <= neighbours;
  }
};

__global__ void __launch_bounds__(kThreads)
    exclusions_kernel(Exclude rule, std::int64_t rows, std::uint8_t* out) {
  const std::int64_t p = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (p < rows * rows) out[p] = rule.same(p / rows, p % rows) ? 1 : 0;
}

__global__ void __launch_bounds__(kThreads)
    of_images_kernel(const float* per_image, std::int64_t images, const std::int32_t* image,
                     std::int64_t rows, float* out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows) return;
  const std::int32_t n = image[i];
  out[i] = n < -1 || n >= images ? NAN : n < 0 ? 0.0f : per_image[n];
}

void check_out(const char* kernel, Rows<const std::int32_t> identity,
               const PairRowViews<float>& out) {
  const std::int64_t rows = out.rois.rows;
  KT_CHECK(identity.cols == kIdentityColumns && out.rois.cols == 4 &&
               out.marks.cols == kMarkColumns && out.image.size == rows && out.marks.rows == rows &&
               out.valid.size == rows && out.count.size == 1 &&
               (identity.rows == 0 ? rows == 0 : rows % identity.rows == 0),
           "{}: rows {}x{}, image {}, marks {}x{}, valid {}, count {}, identity {}x{}", kernel,
           rows, out.rois.cols, out.image.size, out.marks.rows, out.marks.cols, out.valid.size,
           out.count.size, identity.rows, identity.cols);
}

Table table_of(const PairRowViews<float>& out) {
  return {out.rois.data, out.image.data, out.marks.data, out.valid.data};
}

}  // namespace

void positive_rows(CudaStream stream, const SampledRegions<float>& regions,
                   Rows<const std::int32_t> identity, const PairRowViews<float>& out,
                   std::int32_t num_classes) {
  check_out("positive_rows", identity, out);
  const std::int64_t images = identity.rows, all = regions.rois.rows;
  KT_CHECK(regions.rois.cols == 4 && regions.labels.size == all && regions.targets.size == all &&
               (images == 0 ? all == 0 : all % images == 0),
           "positive_rows: regions {}x{}, {} labels, {} targets for {} images", all,
           regions.rois.cols, regions.labels.size, regions.targets.size, images);
  const Regions from{regions.rois.data,
                     regions.labels.data,
                     regions.targets.data,
                     images == 0 ? 0 : all / images,
                     images == 0 ? 0 : out.rois.rows / images,
                     out.rois.rows,
                     num_classes};
  launch("positive_rows", positive_kernel, 1, kThreads, stream, from, identity.data, table_of(out),
         out.count.data);
}

void whole_image_rows(CudaStream stream, Rows<const std::int32_t> sizes,
                      Rows<const std::int32_t> identity, const PairRowViews<float>& out) {
  check_out("whole_image_rows", identity, out);
  KT_CHECK(sizes.rows == identity.rows && sizes.cols == 2 && out.rois.rows == sizes.rows,
           "whole_image_rows: sizes {}x{}, identity of {}, {} rows", sizes.rows, sizes.cols,
           identity.rows, out.rois.rows);
  launch("whole_image_rows", whole_kernel, 1, kThreads, stream, sizes.data, identity.data,
         sizes.rows, table_of(out), out.count.data);
}

void exclusions(CudaStream stream, Rows<const float> rois, Span<const std::int32_t> image,
                Rows<const std::int32_t> marks, Rows<std::uint8_t> out, const ExclusionRule& rule) {
  const std::int64_t rows = rois.rows;
  KT_CHECK(rois.cols == 4 && image.size == rows && marks.rows == rows &&
               marks.cols == kMarkColumns && out.rows == rows && out.cols == rows,
           "exclusions: rois {}x{}, image {}, marks {}x{}, out {}x{}", rows, rois.cols, image.size,
           marks.rows, marks.cols, out.rows, out.cols);
  if (rows == 0) return;
  const Exclude exclude{rois.data, image.data, marks.data, rule.negative_iou, rule.neighbours};
  launch("exclusions", exclusions_kernel, num_blocks(rows * rows, kThreads), kThreads, stream,
         exclude, rows, out.data);
}

void of_images(CudaStream stream, Span<const float> per_image, Span<const std::int32_t> image,
               Span<float> out) {
  KT_CHECK(image.size == out.size, "of_images: {} rows, {} outputs", image.size, out.size);
  if (out.empty()) return;
  launch("of_images", of_images_kernel, num_blocks(out.size, kThreads), kThreads, stream,
         per_image.data, per_image.size, image.data, out.size, out.data);
}

}  // namespace ktrain::cuda
