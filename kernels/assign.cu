// A block per image and tile of 512 candidates, two by thread. Targets pass through shared memory
// 32 at a time; each candidate keeps its best in registers, and what a tile gives a target goes
// through a maximum over the warp and one over the block's warps. No matrix is written. Then a warp
// per target joins the tiles, and the low-quality pass computes an overlap again only for a
// candidate whose own best could be the target's.
#include "kernels/assign.h"

#include "kernels/check.h"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/iou.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kPerThread = static_cast<int>(kAssignTile) / kThreads;
constexpr int kChunk = 32;  // targets in shared memory
static_assert(kPerThread * kThreads == kAssignTile && kChunk <= kThreads);

struct Limits {
  float positive, negative, low, ignore;
};

// Image n of the input.
struct Image {
  const float* boxes;
  std::int64_t num_boxes;
  const std::uint8_t* valid;  // or null
  const float* targets;
  int num_targets;
  const float* ignored;
  int num_ignored;

  __device__ Image(const AssignInput<float>& in, std::int64_t n)
      : boxes(in.boxes.data + (in.boxes.batch == 1 ? 0 : n * in.boxes.capacity * 4)),
        num_boxes(in.boxes.counts ? in.boxes.counts[in.boxes.batch == 1 ? 0 : n]
                                  : in.boxes.capacity),
        valid(in.valid.data ? in.valid.data + n * in.valid.cols : nullptr),
        targets(in.targets.data + n * in.targets.capacity * 4),
        num_targets(in.targets.capacity > 0 ? in.targets.counts[n] : 0),
        ignored(in.ignored.data + n * in.ignored.capacity * 4),
        num_ignored(in.ignored.capacity > 0 ? in.ignored.counts[n] : 0) {}

  // Does candidate i take part?
  __device__ bool open(std::int64_t i, const DeviceBox& box, float area, float ignore_iof) const {
    if (i >= num_boxes || (valid && !valid[i]) || area != area) return false;
    for (int r = 0; r < num_ignored; ++r) {
      const DeviceBox region = load_box(ignored, r, false);
      if (box_overlap(box.corner, region.corner, Overlap::kIof) > ignore_iof) return false;
    }
    return true;
  }
};

struct Candidate {
  DeviceBox box;
  float area;
  float best;  // -1 from the start for one that takes no part
  std::int32_t which;
  bool open;

  // Returns the overlap with a target; -1 for one that takes no part.
  __device__ float meet(const DeviceBox& target, float target_area, std::int32_t index) {
    const float* const t = target.corner;
    const float common = intersection(t[0], t[1], t[2], t[3], box.corner[0], box.corner[1],
                                      box.corner[2], box.corner[3]);
    const float iou = ratio_of_areas(common, target_area + area - common);
    const float seen = open ? iou : -1.0f;
    which = seen > best ? index : which;
    best = seen > best ? seen : best;
    return seen;
  }
};

struct Output {
  std::int32_t* match;
  float* overlap;
  std::int64_t candidates;  // of an image
  std::int64_t tiles;
  bool aligned;  // candidates' boxes
};

__global__ void __launch_bounds__(kThreads)
    match_kernel(const __grid_constant__ AssignInput<float> input,
                 const __grid_constant__ Limits limits, Output out, float* tile_best) {
  DeviceBox* const targets = shared_array<DeviceBox, kChunk, struct Targets>();
  float* const warp_best = shared_array<float, kChunk * kWarps, struct WarpBest>();
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarpSize, warp = thread / kWarpSize;
  const std::int64_t n = blockIdx.x / out.tiles;
  const std::int64_t begin = blockIdx.x % out.tiles * kAssignTile;
  const Image image(input, n);
  Candidate candidate[kPerThread];
#pragma unroll
  for (int k = 0; k < kPerThread; ++k) {
    Candidate& c = candidate[k];
    const std::int64_t i = begin + k * kThreads + thread;
    const bool exists = i < out.candidates;
    c.box = exists ? load_box(image.boxes, i, out.aligned) : DeviceBox{{0, 0, 0, 0}};
    c.area = box_area(c.box.corner);
    c.open = exists && image.open(i, c.box, c.area, limits.ignore);
    c.best = c.open && image.num_targets == 0 ? 0.0f : -1.0f;
    c.which = 0;
  }
  for (int base = 0; base < image.num_targets; base += kChunk) {
    const int count = min(kChunk, image.num_targets - base);
    if (thread < count) targets[thread] = load_box(image.targets, base + thread, false);
    __syncthreads();
    for (int t = 0; t < count; ++t) {
      const DeviceBox target = targets[t];
      const float area = box_area(target.corner);
      float largest = -1.0f;
#pragma unroll
      for (int k = 0; k < kPerThread; ++k) {
        const float seen = candidate[k].meet(target, area, base + t);
        largest = seen > largest ? seen : largest;
      }
      largest = warp_reduce(largest, Larger{});
      if (lane == 0) warp_best[warp * kChunk + t] = largest;
    }
    __syncthreads();
    if (thread < count) {  // the next writes of warp_best come after the next barrier
      float largest = warp_best[thread];
      for (int w = 1; w < kWarps; ++w) largest = Larger{}(largest, warp_best[w * kChunk + thread]);
      tile_best[blockIdx.x * input.targets.capacity + base + thread] = largest;
    }
  }
#pragma unroll
  for (int k = 0; k < kPerThread; ++k) {
    const std::int64_t i = begin + k * kThreads + thread;
    if (i >= out.candidates) break;
    const float best = candidate[k].best;
    const std::int32_t none = best >= 0.0f && best < limits.negative ? kNegative : kUnused;
    out.overlap[n * out.candidates + i] = best;
    out.match[n * out.candidates + i] =
        image.num_targets > 0 && best >= limits.positive ? candidate[k].which : none;
  }
}

// A warp per target.
__global__ void __launch_bounds__(kThreads)
    join_kernel(const float* tile_best, const std::int32_t* counts, std::int64_t capacity,
                std::int64_t tiles, std::int64_t images, float* target_best) {
  const std::int64_t w = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarpSize;
  const std::int64_t n = w / capacity, t = w % capacity;
  if (n >= images || t >= counts[n]) return;  // a whole warp
  float largest = -1.0f;
  for (std::int64_t k = threadIdx.x % kWarpSize; k < tiles; k += kWarpSize)
    largest = Larger{}(tile_best[(n * tiles + k) * capacity + t], largest);
  largest = warp_reduce(largest, Larger{});
  if (threadIdx.x % kWarpSize == 0) target_best[w] = largest;
}

__global__ void __launch_bounds__(kThreads)
    low_quality_kernel(const __grid_constant__ AssignInput<float> input, float low,
                       const float* target_best, Output out) {
  const std::int64_t blocks = (out.candidates + kThreads - 1) / kThreads;
  const std::int64_t n = blockIdx.x / blocks;
  const std::int64_t i = blockIdx.x % blocks * kThreads + threadIdx.x;
  if (i >= out.candidates) return;
  const std::int64_t at = n * out.candidates + i;
  const float best = out.overlap[at];
  if (best < 0.0f) return;
  const Image image(input, n);
  for (int t = 0; t < image.num_targets; ++t) {
    const float wanted = target_best[n * input.targets.capacity + t];
    if (!(wanted >= low && best >= wanted)) continue;
    const DeviceBox target = load_box(image.targets, t, false);
    const DeviceBox box = load_box(image.boxes, i, out.aligned);
    if (box_overlap(target.corner, box.corner, Overlap::kIou) == wanted) out.match[at] = t;
  }
}

void check_shapes(const AssignInput<float>& in, Rows<std::int32_t> match, Rows<float> overlap) {
  const std::int64_t images = match.rows;
  KT_CHECK(match.cols == in.boxes.capacity && same_shape(match, overlap) &&
               (in.boxes.batch == images || in.boxes.batch == 1),
           "assign: {} lists of {} candidates, match {}x{}, overlap {}x{}", in.boxes.batch,
           in.boxes.capacity, match.rows, match.cols, overlap.rows, overlap.cols);
  KT_CHECK(in.valid.empty() || same_shape(in.valid, match), "assign: valid is {}x{}, match {}x{}",
           in.valid.rows, in.valid.cols, match.rows, match.cols);
  KT_CHECK((in.targets.capacity == 0 || in.targets.batch == images) &&
               (in.ignored.capacity == 0 || in.ignored.batch == images),
           "assign: {} images, {} lists of targets, {} of ignore regions", images, in.targets.batch,
           in.ignored.batch);
}

}  // namespace

void assign(CudaStream stream, const AssignInput<float>& input, Rows<std::int32_t> match,
            Rows<float> overlap, Span<std::byte> scratch, const AssignRule& rule) {
  check_shapes(input, match, overlap);
  if (match.empty()) return;
  const std::int64_t capacity = input.targets.capacity;
  AssignInput<float> in = input;
  if (in.valid.empty()) in.valid.data = nullptr;
  Scratch carver(scratch);
  const AssignPieces<float> pieces(carver, match.rows, match.cols, capacity);
  const Limits limits{static_cast<float>(rule.positive_iou), static_cast<float>(rule.negative_iou),
                      static_cast<float>(rule.low_quality_iou),
                      static_cast<float>(rule.ignore_iof)};
  const Output out{match.data, overlap.data, match.cols, num_blocks(match.cols, kAssignTile),
                   aligned_for_quads(in.boxes.data)};
  launch("assign", match_kernel, match.rows * out.tiles, kThreads, stream, in, limits, out,
         pieces.tile_best.data);
  if (!rule.low_quality || capacity == 0) return;
  launch("assign", join_kernel, num_blocks(match.rows * capacity, kWarps), kThreads, stream,
         pieces.tile_best.data, in.targets.counts, capacity, out.tiles, match.rows,
         pieces.target_best.data);
  launch("assign", low_quality_kernel, match.rows * num_blocks(match.cols, kThreads), kThreads,
         stream, in, limits.low, pieces.target_best.data, out);
}

}  // namespace ktrain::cuda
