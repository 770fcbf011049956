// What stands between a detector's heads, from anchors to detections, for two images of 640x512.
#include <algorithm>
#include <cmath>
#include <random>

#include "bench/cases.h"
#include "kernels/anchors.h"
#include "kernels/assign.h"
#include "kernels/box_codec.h"
#include "kernels/detections.h"
#include "kernels/iou.h"
#include "kernels/nms.h"
#include "kernels/proposals.h"
#include "kernels/roi_align.h"
#include "kernels/sample.h"
#include "kernels/targets.h"
#include "kernels/topk.h"

namespace ktrain::bench {
namespace {

// Heights from 20 to 450 pixels at a pedestrian's 0.41 of it wide, like KAIST's boxes, a third of
// them wider as proposals are. With `clusters` a few hundred heaps of nearly equal ones, so that
// most are suppressed, as by a trained network.
std::vector<float> draw_boxes(std::int64_t count, bool clusters = false) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> draw(0, 1);
  std::normal_distribution<float> jitter(0, 1);
  std::vector<float> boxes;
  for (std::int64_t i = 0; i < count; ++i) {
    if (clusters) engine.seed(static_cast<unsigned>(i * 7919 % 300));
    const float h = 20.0f * std::pow(22.5f, draw(engine));
    const float w = std::min(600.0f, h * (i % 3 == 0 && !clusters ? 1.2f : 0.41f));
    const float x = draw(engine) * (640 - w), y = draw(engine) * (512 - h);
    if (clusters) engine.seed(static_cast<unsigned>(i + 1000));
    const float dx = clusters ? 0.05f * w * jitter(engine) : 0;
    const float dy = clusters ? 0.05f * h * jitter(engine) : 0;
    boxes.insert(boxes.end(), {x + dx, y + dy, x + dx + w, y + dy + h});
  }
  return boxes;
}

std::vector<std::int32_t> image_sizes() { return {512, 640, 512, 640}; }

// A pyramid's anchors and a few targets in each image.
struct Anchors {
  std::vector<PyramidLevel> levels;
  std::int64_t count;
  std::int64_t targets = 8;
  Array<float> anchors, target_boxes;
  Array<std::int32_t> target_counts, counters, sizes, match, labels, chosen, slots;
  Array<float> overlap, deltas;
  Array<std::byte> scratch;

  explicit Anchors(const Lab& lab) {
    for (const std::int64_t stride : {4, 8, 16, 32, 64})
      levels.push_back({lab.scaled(kHeight / stride, 2), lab.scaled(kWidth / stride, 2), stride});
    count = num_anchors(level_span());
    anchors = lab.make<float>(count * 4);
    KT_RUN(lab.queue(), make_anchors, level_span(), AnchorShapes{}, anchors.out_rows(4));
    target_boxes = lab.copy(draw_boxes(kImages * targets));
    target_counts = lab.filled(kImages, static_cast<std::int32_t>(targets));
    counters = lab.copy(std::vector<std::int32_t>{0, 1, 0, 2});
    sizes = lab.copy(image_sizes());
    match = lab.make<std::int32_t>(kImages * count);
    labels = lab.make<std::int32_t>(kImages * count);
    chosen = lab.make<std::int32_t>(kImages * 2);
    slots = lab.make<std::int32_t>(kImages * count);
    overlap = lab.make<float>(kImages * count);
    deltas = lab.make<float>(kImages * count * 4);
    scratch = lab.make<std::byte>(assign_scratch_bytes<float>(kImages, count, targets) +
                                  sample_scratch_bytes(kImages, kRpnSample));
  }
  [[nodiscard]] Span<const PyramidLevel> level_span() const {
    return {levels.data(), static_cast<std::int64_t>(levels.size())};
  }
  [[nodiscard]] BoxList<const float> target_list() const {
    return {target_boxes.data(), target_counts.data(), kImages, targets};
  }
  void assign(const Lab& lab) const {
    AssignInput<float> input;
    input.boxes = {anchors.data(), nullptr, 1, count};
    input.targets = target_list();
    KT_RUN(lab.queue(), assign, input, match.out_rows(count), overlap.out_rows(count),
           scratch.out(), kRpnAssign);
  }
  void sample(const Lab& lab) const {
    const SampleDraw draw{{.seed = 1, .stream = 2, .epoch = 0}, counters.rows(2), {}};
    KT_RUN(lab.queue(), sample_anchors, match.rows(count), draw, labels.out_rows(count),
           chosen.out_rows(2), scratch.out(), kRpnSample);
  }
};

Job anchor_job(double bytes, double flops, std::function<void()> run) {
  return {.bytes = bytes, .flops = flops, .run = std::move(run), .rivals = {}};
}

Job make_anchors(const Lab& lab) {
  const Anchors a(lab);
  return anchor_job(static_cast<double>(a.anchors.bytes()), 0, [=, &lab] {
    KT_RUN(lab.queue(), make_anchors, a.level_span(), AnchorShapes{}, a.anchors.out_rows(4));
  });
}

Job assign(const Lab& lab) {
  const Anchors a(lab);
  return anchor_job(static_cast<double>(a.anchors.bytes() + a.match.bytes() + a.overlap.bytes()),
                    16.0 * static_cast<double>(kImages * a.count * a.targets),
                    [=, &lab] { a.assign(lab); });
}

Job sample(const Lab& lab) {
  const Anchors a(lab);
  a.assign(lab);
  return anchor_job(static_cast<double>(a.match.bytes() + a.labels.bytes()), 0,
                    [=, &lab] { a.sample(lab); });
}

Job targets(const Lab& lab) {
  const Anchors a(lab);
  a.assign(lab);
  a.sample(lab);
  const double bytes =
      static_cast<double>(2 * a.match.bytes() + a.deltas.bytes() + a.slots.bytes());
  return anchor_job(bytes, 0, [=, &lab] {
    KT_RUN(lab.queue(), anchor_targets, a.anchors.rows(4), a.target_list(), a.match.rows(a.count),
           a.labels.rows(a.count), a.deltas.out_rows(4), a.slots.out());
  });
}

Job decode(const Lab& lab) {
  const Anchors a(lab);
  const Array<float> deltas = lab.normal(a.count * 4, 1, 0.1), boxes = lab.make<float>(a.count * 4);
  return anchor_job(static_cast<double>(3 * boxes.bytes()), 0, [=, &lab] {
    KT_RUN(lab.queue(), decode_boxes, a.anchors.rows(4), deltas.rows(4), boxes.out_rows(4),
           BoxCoding{});
  });
}

Job overlaps(const Lab& lab) {
  const std::int64_t n = lab.scaled(2000), m = lab.scaled(1000);
  const Array<float> a = lab.copy(draw_boxes(n)), b = lab.copy(draw_boxes(m)),
                     out = lab.make<float>(n * m);
  return anchor_job(static_cast<double>(a.bytes() + b.bytes() + out.bytes()),
                    14.0 * static_cast<double>(n * m), [=, &lab] {
                      KT_RUN(lab.queue(), overlap_matrix, a.rows(4), b.rows(4), out.out_rows(m),
                             Overlap::kIou);
                    });
}

Job propose(const Lab& lab) {
  const Anchors a(lab);
  const ProposalRule rule{lab.scaled(2000), lab.scaled(1000), 0.7};
  const auto levels = static_cast<std::int64_t>(a.levels.size());
  const Array<float> logits = lab.normal(kImages * a.count, 1),
                     deltas = lab.normal(kImages * a.count * 4, 2, 0.1),
                     boxes = lab.make<float>(kImages * rule.per_image * 4),
                     scores = lab.make<float>(kImages * rule.per_image);
  const Array<std::int32_t> counts = lab.make<std::int32_t>(kImages);
  std::int64_t bytes = cpu::propose_scratch_bytes<float>(kImages, levels, rule);
  if constexpr (kCudaBuild)
    if (lab.cuda()) bytes = cuda::propose_scratch_bytes(kImages, levels, rule);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return anchor_job(static_cast<double>(logits.bytes()), 0, [=, &lab] {
    const RpnOutput<float> output{logits.rows(a.count), deltas.rows(4), a.anchors.rows(4),
                                  a.level_span(), a.sizes.rows(2)};
    const ScoredBoxes<float> found{boxes.out_rows(4), scores.out_rows(rule.per_image),
                                   counts.out()};
    KT_RUN(lab.queue(), propose, output, found, scratch.out(), rule);
  });
}

// Two images with four full levels of 2000 boxes each.
Job suppress(const Lab& lab, bool clusters) {
  const std::int64_t lists = 8, capacity = lab.scaled(2000), most = lab.scaled(1000);
  const Array<float> boxes = lab.copy(draw_boxes(lists * capacity, clusters));
  std::vector<float> values;
  for (std::int64_t i = 0; i < lists * capacity; ++i)
    values.push_back(static_cast<float>(i * 7919 % 10007));
  const Array<float> scores = lab.copy(values);
  const Array<std::int32_t> kept = lab.make<std::int32_t>(lists * most),
                            counts = lab.make<std::int32_t>(lists);
  std::int64_t bytes = cpu::nms_scratch_bytes<float>(lists, capacity);
  if constexpr (kCudaBuild)
    if (lab.cuda()) bytes = cuda::nms_scratch_bytes(lists, capacity);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return anchor_job(static_cast<double>(boxes.bytes() + scores.bytes() + kept.bytes()), 0,
                    [=, &lab] {
                      const BoxList<const float> list{boxes.data(), nullptr, lists, capacity};
                      KT_RUN(lab.queue(), nms, list, scores.rows(capacity), kept.out_rows(most),
                             counts.out(), scratch.out(), 0.7f);
                    });
}

Job best(const Lab& lab) {
  const std::int64_t rows = kImages, cols = lab.scaled(61440), k = lab.scaled(2000);
  const Array<float> scores = lab.normal(rows * cols);
  const Array<std::int32_t> indices = lab.make<std::int32_t>(rows * k);
  std::int64_t bytes = 0;
  if constexpr (kCudaBuild)
    if (lab.cuda()) bytes = cuda::topk_scratch_bytes(rows, k);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return anchor_job(static_cast<double>(scores.bytes() + indices.bytes()), 0, [=, &lab] {
    if constexpr (kCudaBuild)
      if (lab.cuda()) {
        cuda::topk(lab.stream(), scores.rows(cols), indices.out_rows(k), scratch.out());
        return;
      }
    cpu::topk<float>(scores.rows(cols), indices.out_rows(k));
  });
}

Job detect(const Lab& lab) {
  constexpr std::int64_t kClasses = 1;
  const std::int64_t rois = lab.scaled(1000);
  const DetectionRule rule{};
  const Array<float> boxes = lab.copy(draw_boxes(kImages * rois, true)),
                     logits = lab.normal(kImages * rois * 2, 1),
                     deltas = lab.normal(kImages * rois * 4, 2, 0.1),
                     scales = lab.filled(kImages * 2, 1.0f),
                     found = lab.make<float>(kImages * rule.per_image * 4),
                     scores = lab.make<float>(kImages * rule.per_image);
  const Array<std::int32_t> counts = lab.filled(kImages, static_cast<std::int32_t>(rois)),
                            sizes = lab.copy(image_sizes()),
                            labels = lab.make<std::int32_t>(kImages * rule.per_image),
                            kept = lab.make<std::int32_t>(kImages);
  std::vector<float> probabilities = lab.to_host(logits);
  for (float& p : probabilities) p = 1 / (1 + std::exp(-p));
  const Array<float> p = lab.copy(probabilities);
  std::int64_t bytes = cpu::detect_scratch_bytes<float>(kImages, kClasses, rois, rule);
  if constexpr (kCudaBuild)
    if (lab.cuda()) bytes = cuda::detect_scratch_bytes(kImages, kClasses, rois, rule);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return anchor_job(static_cast<double>(boxes.bytes() + p.bytes() + deltas.bytes()), 0, [=, &lab] {
    const RoiHeadOutput<float> output{{boxes.data(), counts.data(), kImages, rois},
                                      p.rows(kClasses + 1),
                                      deltas.rows(4 * kClasses),
                                      sizes.rows(2),
                                      scales.rows(2)};
    const Detections<float> out{found.out_rows(4), scores.out_rows(rule.per_image),
                                labels.out_rows(rule.per_image), kept.out()};
    KT_RUN(lab.queue(), detect, output, out, scratch.out(), rule);
  });
}

// 512 regions of each of two images, 7x7 bins.
struct Regions {
  std::int64_t rois, channels, cells = 0;
  std::array<std::int64_t, kRoiLevels> heights{}, widths{};
  Array<float> maps, out, corners;
  Array<std::int32_t> image;

  explicit Regions(const Lab& lab) : rois(lab.scaled(1024)), channels(lab.scaled(256, 8)) {
    for (std::size_t l = 0; l < kRoiLevels; ++l) {
      heights[l] = lab.scaled(128 >> l, 4);
      widths[l] = lab.scaled(160 >> l, 4);
      cells += kImages * heights[l] * widths[l];
    }
    maps = lab.normal(cells * channels, 1);
    out = lab.normal(rois * 49 * channels, 2);
    corners = lab.copy(draw_boxes(rois));
    std::vector<std::int32_t> images;
    for (std::int64_t r = 0; r < rois; ++r) images.push_back(static_cast<std::int32_t>(r % 2));
    image = lab.copy(images);
  }
  template <class T>
  [[nodiscard]] RoiLevels<T> levels() const {
    RoiLevels<T> result;
    T* at = maps.data();
    for (std::size_t l = 0; l < kRoiLevels; ++l) {
      result[l] = {at, kImages, heights[l], widths[l], channels};
      at += result[l].size();
    }
    return result;
  }
  [[nodiscard]] double bytes() const { return static_cast<double>(maps.bytes() + out.bytes()); }
};

Job roi_forward(const Lab& lab) {
  const Regions r(lab);
  return anchor_job(r.bytes(), 0, [=, &lab] {
    const Nhwc<float> out{r.out.data(), r.rois, 7, 7, r.channels};
    KT_RUN(lab.queue(), roi_align_forward, r.levels<const float>(), r.corners.rows(4),
           r.image.span(), out);
  });
}

Job roi_backward(const Lab& lab) {
  const Regions r(lab);
  return anchor_job(r.bytes(), 0, [=, &lab] {
    const Nhwc<const float> dout{r.out.data(), r.rois, 7, 7, r.channels};
    KT_RUN(lab.queue(), roi_align_backward, r.corners.rows(4), r.image.span(), dout,
           r.levels<float>());
  });
}

const bool kAdded =
    add_case("roi_align", "forward", "1024 regions of four levels", roi_forward) &&
    add_case("roi_align", "backward", "1024 regions of four levels", roi_backward) &&
    add_case("proposals", "propose", "2 x 81840 anchors", propose) &&
    add_case("nms", "spread", "8 lists of 2000",
             [](const Lab& lab) { return suppress(lab, false); }) &&
    add_case("nms", "clustered", "8 lists of 2000",
             [](const Lab& lab) { return suppress(lab, true); }) &&
    add_case("topk", "2000", "2 x 61440", best) &&
    add_case("assign", "anchors", "2 x 81840 x 8 targets", assign) &&
    add_case("sample", "anchors", "2 x 81840", sample) &&
    add_case("targets", "anchors", "2 x 81840", targets) &&
    add_case("box_codec", "decode", "81840 boxes", decode) &&
    add_case("iou", "matrix", "2000 x 1000", overlaps) &&
    add_case("anchors", "make", "81840", make_anchors) &&
    add_case("detections", "detect", "2 x 1000 regions", detect);

}  // namespace
}  // namespace ktrain::bench
