#include "kernels/pair_rows.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/check.h"
#include "kernels/iou.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

template <class T>
void check_out(const char* kernel, Rows<const std::int32_t> identity, const PairRowViews<T>& out) {
  const std::int64_t rows = out.rois.rows;
  KT_CHECK(identity.cols == kIdentityColumns && out.rois.cols == 4 &&
               out.marks.cols == kMarkColumns && out.image.size == rows && out.marks.rows == rows &&
               out.valid.size == rows && out.count.size == 1 &&
               (identity.rows == 0 ? rows == 0 : rows % identity.rows == 0),
           "{}: rows {}x{}, image {}, marks {}x{}, valid {}, count {}, identity {}x{}", kernel,
           rows, out.rois.cols, out.image.size, out.marks.rows, out.marks.cols, out.valid.size,
           out.count.size, identity.rows, identity.cols);
}

template <class T>
void no_row(const PairRowViews<T>& out, std::int64_t r) {
  std::fill_n(out.rois.data + 4 * r, 4, T{0});
  std::fill_n(out.marks.data + kMarkColumns * r, std::int64_t{kMarkColumns}, -1);
  out.image[r] = -1;
  out.valid[r] = 0;
}

template <class T>
void mark_row(const PairRowViews<T>& out, std::int64_t r, Rows<const std::int32_t> identity,
              std::int64_t image, std::int32_t target) {
  for (std::int64_t c = 0; c < kIdentityColumns; ++c) out.marks(r, c) = identity(image, c);
  out.marks(r, kMarkTarget) = target;
  out.image[r] = static_cast<std::int32_t>(image);
  out.valid[r] = 1;
  ++out.count[0];
}

}  // namespace

template <class T>
void positive_rows(const SampledRegions<T>& regions, Rows<const std::int32_t> identity,
                   const PairRowViews<T>& out, std::int32_t num_classes) {
  check_out("positive_rows", identity, out);
  const std::int64_t images = identity.rows, all = regions.rois.rows;
  KT_CHECK(regions.rois.cols == 4 && regions.labels.size == all && regions.targets.size == all &&
               (images == 0 ? all == 0 : all % images == 0),
           "positive_rows: regions {}x{}, {} labels, {} targets for {} images", all,
           regions.rois.cols, regions.labels.size, regions.targets.size, images);
  out.count[0] = 0;
  if (images == 0) return;
  const std::int64_t size = all / images, per_image = out.rois.rows / images;
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t k = 0; k < per_image; ++k) {
      const std::int64_t from = n * size + k, to = n * per_image + k;
      const std::int32_t label = k < size ? regions.labels[from] : -1;
      if (label < 0 || label >= num_classes) {
        no_row(out, to);
        continue;
      }
      std::copy_n(regions.rois.data + 4 * from, 4, out.rois.data + 4 * to);
      mark_row(out, to, identity, n, regions.targets[from]);
    }
}

template <class T>
void whole_image_rows(Rows<const std::int32_t> sizes, Rows<const std::int32_t> identity,
                      const PairRowViews<T>& out) {
  check_out("whole_image_rows", identity, out);
  KT_CHECK(sizes.rows == identity.rows && sizes.cols == 2 && out.rois.rows == sizes.rows,
           "whole_image_rows: sizes {}x{}, identity of {}, {} rows", sizes.rows, sizes.cols,
           identity.rows, out.rois.rows);
  out.count[0] = 0;
  for (std::int64_t n = 0; n < sizes.rows; ++n) {
    no_row(out, n);
    if (identity(n, kMarkPlace) < 0) continue;
    out.rois(n, 2) = static_cast<T>(sizes(n, 1));
    out.rois(n, 3) = static_cast<T>(sizes(n, 0));
    mark_row(out, n, identity, n, -1);
  }
}

template <class T>
void exclusions(Rows<const T> rois, Span<const std::int32_t> image, Rows<const std::int32_t> marks,
                Rows<std::uint8_t> out, const ExclusionRule& rule) {
  const std::int64_t rows = rois.rows;
  KT_CHECK(rois.cols == 4 && image.size == rows && marks.rows == rows &&
               marks.cols == kMarkColumns && out.rows == rows && out.cols == rows,
           "exclusions: rois {}x{}, image {}, marks {}x{}, out {}x{}", rows, rois.cols, image.size,
           marks.rows, marks.cols, out.rows, out.cols);
  const auto mark = [&](std::int64_t r, MarkColumn c) { return marks(r, c); };
  const auto same = [&](std::int64_t i, std::int64_t j) {
    if (image[i] < 0 || image[j] < 0 || i == j) return true;
    if (image[i] == image[j]) {
      if (mark(i, kMarkTarget) >= 0 && mark(i, kMarkTarget) == mark(j, kMarkTarget)) return true;
      return static_cast<double>(box_overlap(rois.data + 4 * i, rois.data + 4 * j,
                                             Overlap::kIou)) >= rule.negative_iou;
    }
    if (mark(i, kMarkPlace) >= 0 && mark(i, kMarkPlace) == mark(j, kMarkPlace)) return true;
    if (mark(i, kMarkGroup) < 0 || mark(i, kMarkGroup) != mark(j, kMarkGroup)) return false;
    if (mark(i, kMarkFrame) < 0 || mark(j, kMarkFrame) < 0) return false;
    return std::abs(std::int64_t{mark(i, kMarkFrame)} - mark(j, kMarkFrame)) <= rule.neighbours;
  };
  parallel_for(rows, 16, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < rows; ++j) out(i, j) = same(i, j) ? 1 : 0;
  });
}

template <class T>
void of_images(Span<const T> per_image, Span<const std::int32_t> image, Span<T> out) {
  KT_CHECK(image.size == out.size, "of_images: {} rows, {} outputs", image.size, out.size);
  for (std::int64_t i = 0; i < image.size; ++i) {
    KT_CHECK(image[i] >= -1 && image[i] < per_image.size, "of_images: image {} of {} in row {}",
             image[i], per_image.size, i);
    out[i] = image[i] < 0 ? T{0} : per_image[image[i]];
  }
}

#define INSTANTIATE(T)                                                                        \
  template void positive_rows(const SampledRegions<T>&, Rows<const std::int32_t>,             \
                              const PairRowViews<T>&, std::int32_t);                          \
  template void whole_image_rows(Rows<const std::int32_t>, Rows<const std::int32_t>,          \
                                 const PairRowViews<T>&);                                     \
  template void exclusions(Rows<const T>, Span<const std::int32_t>, Rows<const std::int32_t>, \
                           Rows<std::uint8_t>, const ExclusionRule&);                         \
  template void of_images(Span<const T>, Span<const std::int32_t>, Span<T>);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace ktrain::cpu
