// Losses and what they are taken of, at the sizes of a training step: all anchors of two images,
// 512 regions of each, a few dozen pairs of regions for the contrast between modalities.
#include "bench/cases.h"
#include "kernels/bce.h"
#include "kernels/box_loss.h"
#include "kernels/cross_entropy.h"
#include "kernels/info_nce.h"
#include "kernels/l2_normalize.h"
#include "kernels/mmd.h"
#include "kernels/pair_rows.h"
#include "kernels/softmax.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kAnchors = kImages * 81840, kRegions = kImages * 512;

// Labels 0 .. classes-1 and every seventh row -1, which does not count.
Array<std::int32_t> labels_of(const Lab& lab, std::int64_t rows, std::int32_t classes) {
  std::vector<std::int32_t> values;
  for (std::int64_t r = 0; r < rows; ++r)
    values.push_back(r % 7 == 6 ? -1 : static_cast<std::int32_t>(r % classes));
  return lab.copy(values);
}

struct Scalars {
  Array<float> factor, loss, dloss;
  explicit Scalars(const Lab& lab)
      : factor(lab.filled(1, 512.0f)), loss(lab.make<float>(1)), dloss(lab.filled(1, 1.0f)) {}
};

struct Classes {
  std::int64_t rows, cols;
  Array<float> x, p, row_loss;
  Array<std::int32_t> labels;
  Scalars scalars;

  Classes(const Lab& lab, std::int64_t rows_, std::int64_t cols_)
      : rows(lab.scaled(rows_)),
        cols(cols_),
        x(lab.normal(rows * cols)),
        p(lab.filled(rows * cols, 1.0f / static_cast<float>(cols))),
        row_loss(lab.make<float>(rows)),
        labels(labels_of(lab, rows, static_cast<std::int32_t>(cols))),
        scalars(lab) {}
};

void add_cross_entropy(const char* shape, std::int64_t rows, std::int64_t cols) {
  add_case("cross_entropy", "forward", shape, [=](const Lab& lab) {
    const Classes c(lab, rows, cols);
    return Job{.bytes = static_cast<double>(2 * c.x.bytes() + 2 * c.row_loss.bytes()),
               .run =
                   [=, &lab] {
                     KT_RUN(lab.queue(), cross_entropy_forward, c.x.rows(cols), c.labels.span(),
                            c.scalars.factor.span(), c.p.out_rows(cols), c.row_loss.out(),
                            c.scalars.loss.out());
                   },
               .rivals = {}};
  });
  add_case("cross_entropy", "backward", shape, [=](const Lab& lab) {
    const Classes c(lab, rows, cols);
    return Job{.bytes = static_cast<double>(2 * c.x.bytes() + c.labels.bytes()),
               .run =
                   [=, &lab] {
                     KT_RUN(lab.queue(), cross_entropy_backward, c.p.rows(cols), c.labels.span(),
                            c.scalars.factor.span(), c.scalars.dloss.span(), c.x.out_rows(cols));
                   },
               .rivals = {}};
  });
}

Job softmax(const Lab& lab) {
  const Classes c(lab, 8192, 81);
  return {.bytes = static_cast<double>(2 * c.x.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), softmax_forward, c.x.rows(c.cols), c.p.out_rows(c.cols));
              },
          .rivals = {}};
}

Job bce(const Lab& lab, bool backward) {
  const std::int64_t n = lab.scaled(kAnchors);
  const Array<float> x = lab.normal(n), dx = lab.make<float>(n);
  const Array<std::int32_t> labels = labels_of(lab, n, 2);
  const Array<std::byte> scratch = lab.make<std::byte>(bce_scratch_bytes(n));
  const Scalars s(lab);
  return {.bytes = static_cast<double>((backward ? 2 : 1) * x.bytes() + labels.bytes()),
          .run =
              [=, &lab] {
                if (backward)
                  KT_RUN(lab.queue(), bce_backward, x.span(), labels.span(), s.factor.span(),
                         s.dloss.span(), dx.out());
                else
                  KT_RUN(lab.queue(), bce_forward, x.span(), labels.span(), s.factor.span(),
                         s.loss.out(), scratch.out());
              },
          .rivals = {}};
}

Job box_loss(const Lab& lab, bool backward) {
  const std::int64_t n = lab.scaled(kAnchors);
  const Array<float> x = lab.normal(n * 4, 1), target = lab.normal(n * 4, 2),
                     dx = lab.make<float>(n * 4);
  const Array<std::int32_t> slots = labels_of(lab, n, 1);
  const Array<std::byte> scratch = lab.make<std::byte>(box_loss_scratch_bytes(n));
  const Scalars s(lab);
  return {.bytes = static_cast<double>((backward ? 3 : 2) * x.bytes() + slots.bytes()),
          .run =
              [=, &lab] {
                if (backward)
                  KT_RUN(lab.queue(), box_loss_backward, x.rows(4), target.rows(4), slots.span(),
                         s.factor.span(), s.dloss.span(), dx.out_rows(4), 0.0);
                else
                  KT_RUN(lab.queue(), box_loss_forward, x.rows(4), target.rows(4), slots.span(),
                         s.factor.span(), s.loss.out(), scratch.out(), 0.0);
              },
          .rivals = {}};
}

// Pairs of embeddings of 128 channels, as the contrastive losses take them.
struct Pairs {
  static constexpr std::int64_t kChannels = 128;
  std::int64_t n;
  Array<float> u, v, scale, valid, logits, row, col, factor, stats, du, dv, dscale;
  Array<std::int32_t> anchors;
  Array<std::byte> scratch;
  Scalars scalars;

  Pairs(const Lab& lab, std::int64_t rows)
      : n(lab.scaled(rows, 8)),
        u(lab.normal(n * kChannels, 1, 0.1)),
        v(lab.normal(n * kChannels, 2, 0.1)),
        scale(lab.filled(1, 2.66f)),
        valid(lab.filled(n, 1.0f)),
        logits(lab.filled(n * n, 0.0f)),
        row(lab.filled(n, 4.0f)),
        col(lab.filled(n, 4.0f)),
        factor(lab.filled(n, 0.01f)),
        stats(lab.make<float>(kNumInfoNceStats)),
        du(lab.make<float>(n * kChannels)),
        dv(lab.make<float>(n * kChannels)),
        dscale(lab.make<float>(1)),
        anchors(lab.filled<std::int32_t>(1, static_cast<std::int32_t>(n))),
        scratch(lab.make<std::byte>(info_nce_scratch_bytes(n))),
        scalars(lab) {}
  [[nodiscard]] InfoNceInputs<float> in() const {
    return {u.rows(kChannels), v.rows(kChannels), scale.span(), valid.span(), {}, {}};
  }
  [[nodiscard]] double flops() const { return 2.0 * static_cast<double>(n * n) * kChannels; }
};

Job info_nce(const Lab& lab, bool backward) {
  const Pairs p(lab, 256);
  return {.bytes = static_cast<double>(2 * p.u.bytes() + p.logits.bytes()),
          .flops = (backward ? 2 : 1) * p.flops(),
          .run =
              [=, &lab] {
                if (backward) {
                  const InfoNceSaved<const float> saved{p.logits.rows(p.n), p.row.span(),
                                                        p.col.span(), p.factor.span()};
                  const InfoNceGradients<float> out{p.du.out_rows(Pairs::kChannels),
                                                    p.dv.out_rows(Pairs::kChannels),
                                                    p.dscale.out()};
                  KT_RUN(lab.queue(), info_nce_backward, p.in(), saved, p.scalars.dloss.span(), out,
                         p.scratch.out(), InfoNceOptions{});
                } else {
                  const InfoNceSaved<float> saved{p.logits.out_rows(p.n), p.row.out(), p.col.out(),
                                                  p.factor.out()};
                  KT_RUN(lab.queue(), info_nce_forward, p.in(), saved, p.stats.out(),
                         p.anchors.out(), p.scalars.loss.out(), p.scratch.out(), InfoNceOptions{});
                }
              },
          .rivals = {}};
}

enum class MmdPart : std::uint8_t { kBandwidths, kForward, kBackward };

Job mmd(const Lab& lab, MmdPart part) {
  const Pairs p(lab, 128);
  const Array<float> sigma = lab.filled(static_cast<std::int64_t>(kMmdFactors.size()), 1.0f);
  const Array<std::int32_t> counted = lab.filled<std::int32_t>(p.n, 0);
  std::int64_t bytes = cpu::mmd_scratch_bytes<float>(2 * p.n);
  if (lab.cuda()) bytes = cuda::mmd_scratch_bytes(2 * p.n);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return {.bytes = static_cast<double>(2 * p.u.bytes()),
          .flops = 3.0 * 4.0 * static_cast<double>(p.n * p.n) * Pairs::kChannels,
          .run =
              [=, &lab] {
                constexpr std::int64_t kCols = Pairs::kChannels;
                const MmdSets<float> sets{p.u.rows(kCols), p.v.rows(kCols), counted.span(),
                                          counted.span()};
                if (part == MmdPart::kBandwidths)
                  KT_RUN(lab.queue(), mmd_bandwidths, sets, sigma.out(), scratch.out());
                else if (part == MmdPart::kForward)
                  KT_RUN(lab.queue(), mmd_forward, sets, sigma.span(), p.scalars.loss.out(),
                         scratch.out());
                else
                  KT_RUN(lab.queue(), mmd_backward, sets, sigma.span(), p.scalars.dloss.span(),
                         p.du.out_rows(kCols), p.dv.out_rows(kCols), scratch.out());
              },
          .rivals = {}};
}

Job l2_normalize(const Lab& lab) {
  const std::int64_t n = lab.scaled(kRegions);
  const Array<float> x = lab.normal(n * 128), y = lab.make<float>(n * 128),
                     norm = lab.make<float>(n);
  return {.bytes = static_cast<double>(2 * x.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), l2_normalize_forward, x.rows(128), y.out_rows(128), norm.out());
              },
          .rivals = {}};
}

Job exclusions(const Lab& lab) {
  const std::int64_t n = lab.scaled(256, 8);
  std::vector<float> boxes;
  std::vector<std::int32_t> images, marks;
  for (std::int64_t r = 0; r < n; ++r) {
    const auto at = static_cast<float>(r * 37 % 500);
    boxes.insert(boxes.end(), {at, at / 2, at + 30, at / 2 + 70});
    images.push_back(static_cast<std::int32_t>(r % kImages));
    for (std::int32_t m = 0; m < kMarkColumns; ++m)
      marks.push_back(static_cast<std::int32_t>(r) % (m + 3));
  }
  const Array<float> rois = lab.copy(boxes);
  const Array<std::int32_t> image = lab.copy(images), mark = lab.copy(marks);
  const Array<std::uint8_t> out = lab.make<std::uint8_t>(n * n);
  return {.bytes = static_cast<double>(out.bytes() + rois.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), exclusions, rois.rows(4), image.span(), mark.rows(kMarkColumns),
                       out.out_rows(n), ExclusionRule{});
              },
          .rivals = {}};
}

const bool kAdded = [] {
  add_cross_entropy("1024 regions x 2", kRegions, 2);
  add_cross_entropy("163680 anchors x 2", kAnchors, 2);
  add_cross_entropy("8192 x 81", 8192, 81);
  add_case("softmax", "forward", "8192 x 81", softmax);
  for (const bool backward : {false, true}) {
    const char* const op = backward ? "backward" : "forward";
    add_case("bce", op, "163680 anchors", [=](const Lab& lab) { return bce(lab, backward); });
    add_case("box_loss", op, "163680 anchors",
             [=](const Lab& lab) { return box_loss(lab, backward); });
    add_case("info_nce", op, "256 pairs x 128",
             [=](const Lab& lab) { return info_nce(lab, backward); });
  }
  for (const auto& [op, part] : {std::pair{"bandwidths", MmdPart::kBandwidths},
                                 {"forward", MmdPart::kForward},
                                 {"backward", MmdPart::kBackward}})
    add_case("mmd", op, "128 + 128 rows x 128", [part](const Lab& lab) { return mmd(lab, part); });
  add_case("l2_normalize", "forward", "1024 x 128", l2_normalize);
  add_case("pair_rows", "exclusions", "256 rows", exclusions);
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
