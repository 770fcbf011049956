// A block per row. Forward: a warp per key, whose channels its lanes share; then the block turns
// the logits, which lie in `slope`, into slopes and the row's loss, in double. Backward: 32
// neighbouring channels by warp, the keys dealt out to the eight warps. Keys are gathered rows.
#include "kernels/queue_contrast.h"

#include "kernels/checks/queue_contrast.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;

struct Inputs {
  const float* queries;
  const float* positive;
  const float* queue;
  const std::int32_t* indices;
  const std::int32_t* marks;
  std::int64_t rows, cols, entries, capacity;  // channels, keys of the queue, columns of indices

  // The key in column c of row r; null when the queue has none of that index.
  [[nodiscard]] __device__ const float* key(std::int64_t r, std::int64_t c) const {
    if (c == 0) return positive + r * cols;
    const std::int32_t k = indices[r * capacity + c - 1];
    return k < entries ? queue + k * cols : nullptr;
  }
  // Negatives of a row that counts, otherwise 0: those before its first -1. The whole block asks.
  [[nodiscard]] __device__ std::int64_t negatives(std::int64_t r, double* scratch) const {
    if (marks[r] < 0) return 0;
    double first = -static_cast<double>(capacity);
    for (std::int64_t c = threadIdx.x; c < capacity; c += kThreads)
      if (indices[r * capacity + c] < 0) {
        first = Larger{}(first, -static_cast<double>(c));
        break;
      }
    first = block_reduce<kThreads>(first, Larger{}, -static_cast<double>(capacity), scratch);
    return static_cast<std::int64_t>(-first);
  }
};

// log(1 + e^z) and its derivative without overflow.
__device__ double softplus(double z) { return (z < 0 ? 0.0 : z) + log1p(exp(-fabs(z))); }
__device__ double sigmoid(double z) {
  const double e = exp(-fabs(z));
  return (z < 0 ? e : 1.0) / (1 + e);
}

// The row's loss; its logits become slopes.
__device__ double pull(float* z, std::int64_t negatives, double* scratch) {
  const auto sum = [&](double value) { return block_reduce<kThreads>(value, Add{}, 0.0, scratch); };
  double largest = -INFINITY;  // passes over a NaN; the sum below does not
  for (std::int64_t c = threadIdx.x; c <= negatives; c += kThreads)
    largest = Larger{}(static_cast<double>(z[c]), largest);
  largest = block_reduce<kThreads>(largest, Larger{}, static_cast<double>(-INFINITY), scratch);
  double total = 0;
  for (std::int64_t c = threadIdx.x; c <= negatives; c += kThreads)
    total += exp(static_cast<double>(z[c]) - largest);
  total = sum(total);
  const double loss = log(total) - (static_cast<double>(z[0]) - largest);
  __syncthreads();  // z[0] is read before it is written
  for (std::int64_t c = threadIdx.x; c <= negatives; c += kThreads)
    // p - 1 to the last digit, also where p is near 1
    z[c] = static_cast<float>(c == 0 ? expm1(-loss)
                                     : exp(static_cast<double>(z[c]) - largest) / total);
  return loss;
}

__device__ double push(float* z, std::int64_t negatives, double* scratch) {
  const auto count = static_cast<double>(negatives);
  double total = 0;
  for (std::int64_t c = 1 + threadIdx.x; c <= negatives; c += kThreads) {
    const double logit = static_cast<double>(z[c]);
    total += softplus(logit);
    z[c] = static_cast<float>(sigmoid(logit) / count);
  }
  return block_reduce<kThreads>(total, Add{}, 0.0, scratch) / count;
}

__global__ void __launch_bounds__(kThreads)
    forward_kernel(const __grid_constant__ Inputs in, bool pulls, double temperature, float* slope,
                   float* row_loss) {
  double* const scratch = shared_array<double, kWarps, struct ForwardScratch>();
  const std::int64_t r = blockIdx.x;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const std::int64_t negatives = in.negatives(r, scratch);
  float* const z = slope + r * (in.capacity + 1);
  const float* const query = in.queries + r * in.cols;
  for (std::int64_t c = threadIdx.x / kWarpSize; c <= in.capacity; c += kWarps) {
    const bool used = negatives > 0 && c <= negatives && (pulls || c > 0);
    const float* const key = used ? in.key(r, c) : nullptr;
    double total = 0;
    for (std::int64_t d = lane; key && d < in.cols; d += kWarpSize)
      total += static_cast<double>(query[d]) * static_cast<double>(key[d]);
    total = warp_reduce(total, Add{});
    if (lane == 0) z[c] = !used ? 0.0f : key ? static_cast<float>(total / temperature) : NAN;
  }
  __syncthreads();
  double loss = 0;
  if (negatives > 0) loss = pulls ? pull(z, negatives, scratch) : push(z, negatives, scratch);
  if (threadIdx.x == 0) row_loss[r] = static_cast<float>(loss);
}

// One block. A row with its first index and a mark counts.
__global__ void __launch_bounds__(kThreads)
    loss_kernel(const __grid_constant__ Inputs in, const float* row_loss, double factor,
                float* count, float* loss) {
  double* const scratch = shared_array<double, kWarps, struct LossScratch>();
  double total = 0, rows = 0;
  for (std::int64_t r = threadIdx.x; r < in.rows; r += kThreads) {
    total += static_cast<double>(row_loss[r]);
    rows += in.marks[r] >= 0 && in.capacity > 0 && in.indices[r * in.capacity] >= 0 ? 1 : 0;
  }
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  rows = block_reduce<kThreads>(rows, Add{}, 0.0, scratch);
  if (threadIdx.x != 0) return;
  const double least = rows < 1 ? 1.0 : rows;
  count[0] = static_cast<float>(least);
  loss[0] = static_cast<float>(factor * total / least);
}

__global__ void __launch_bounds__(kThreads)
    backward_kernel(const __grid_constant__ Inputs in, const float* slope, const float* count,
                    const float* dloss, bool pulls, double factor, double temperature, float* dq) {
  double* const scratch = shared_array<double, kWarps, struct BackwardScratch>();
  double* const sums = shared_array<double, kThreads, struct BackwardSums>();
  const std::int64_t r = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarpSize;
  const std::int64_t negatives = in.negatives(r, scratch);
  const double scale =
      factor * static_cast<double>(dloss[0]) / (static_cast<double>(count[0]) * temperature);
  const float* const slopes = slope + r * (in.capacity + 1);
  for (std::int64_t d0 = 0; d0 < in.cols; d0 += kWarpSize) {
    const std::int64_t d = d0 + thread % kWarpSize;
    double total = 0;
    if (negatives > 0 && d < in.cols)
      for (std::int64_t c = (pulls ? 0 : 1) + warp; c <= negatives; c += kWarps) {
        const float* const key = in.key(r, c);
        total += key ? static_cast<double>(slopes[c]) * static_cast<double>(key[d]) : NAN;
      }
    sums[thread] = total;
    __syncthreads();
    if (warp == 0 && d < in.cols) {
      for (int w = 1; w < kWarps; ++w) total += sums[w * kWarpSize + thread];
      dq[r * in.cols + d] = negatives > 0 ? static_cast<float>(scale * total) : 0.0f;
    }
    __syncthreads();
  }
}

Inputs pointers_of(const ContrastInputs<float>& in) {
  return {in.queries.data, in.positive.data, in.queue.data, in.indices.data, in.marks.data,
          in.queries.rows, in.queries.cols,  in.queue.rows, in.indices.cols};
}

}  // namespace

void queue_contrast_forward(CudaStream stream, const ContrastInputs<float>& inputs,
                            Rows<float> slope, Span<float> row_loss, Span<float> count,
                            Span<float> loss, const ContrastOptions& options) {
  const char* const name = "queue_contrast_forward";
  check_contrast_forward<float>(inputs, slope, row_loss.size, count.size, loss.size, options);
  const Inputs in = pointers_of(inputs);
  if (in.rows > 0)
    launch(name, forward_kernel, in.rows, kThreads, stream, in,
           options.form == ContrastForm::kInfoNce, options.temperature, slope.data, row_loss.data);
  launch(name, loss_kernel, 1, kThreads, stream, in, row_loss.data, options.factor, count.data,
         loss.data);
}

void queue_contrast_backward(CudaStream stream, const ContrastInputs<float>& inputs,
                             Rows<const float> slope, Span<const float> count,
                             Span<const float> dloss, Rows<float> dq,
                             const ContrastOptions& options) {
  const char* const name = "queue_contrast_backward";
  check_contrast_backward<float>(inputs, slope, count.size, dloss.size, dq, options);
  const Inputs in = pointers_of(inputs);
  if (dq.empty()) return;
  launch(name, backward_kernel, in.rows, kThreads, stream, in, slope.data, count.data, dloss.data,
         options.form == ContrastForm::kInfoNce, options.factor, options.temperature, dq.data);
}

}  // namespace ktrain::cuda
