// A thread per row: three accesses of 16 bytes, 48 bytes moved by row, and a few divisions. The
// arithmetic is that of box_codec.h.
#include "kernels/box_codec.h"

#include "kernels/check.h"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

struct Encode {
  __device__ static void apply(const DeviceBox& reference, const DeviceBox& box,
                               const BoxCoding& coding, DeviceBox& out) {
    encode_box(reference.corner, box.corner, coding, out.corner);
  }
};
struct Decode {
  __device__ static void apply(const DeviceBox& reference, const DeviceBox& delta,
                               const BoxCoding& coding, DeviceBox& out) {
    decode_box(reference.corner, delta.corner, coding, out.corner);
  }
};

// `out` may be one of the inputs: a thread reads its row before it writes it.
template <class Code>
__global__ void __launch_bounds__(kThreads)
    code_kernel(const float* references, const float* in, std::int64_t rows,
                const __grid_constant__ BoxCoding coding, bool aligned, float* out) {
  const std::int64_t r = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (r >= rows) return;
  DeviceBox result;
  Code::apply(load_box(references, r, aligned), load_box(in, r, aligned), coding, result);
  store_box(out, r, result, aligned);
}

template <class Code>
void code(const char* who, CudaStream stream, Rows<const float> references, Rows<const float> in,
          Rows<float> out, const BoxCoding& coding) {
  KT_CHECK(references.cols == 4 && same_shape(references, in) && same_shape(references, out),
           "{}: shapes {}x{}, {}x{} and {}x{}, one number of rows of 4 wanted", who,
           references.rows, references.cols, in.rows, in.cols, out.rows, out.cols);
  if (out.rows == 0) return;
  const bool aligned = aligned_for_quads(references.data) && aligned_for_quads(in.data) &&
                       aligned_for_quads(out.data);
  launch(who, code_kernel<Code>, num_blocks(out.rows, kThreads), kThreads, stream, references.data,
         in.data, out.rows, coding, aligned, out.data);
}

}  // namespace

void encode_boxes(CudaStream stream, Rows<const float> references, Rows<const float> boxes,
                  Rows<float> deltas, const BoxCoding& coding) {
  code<Encode>("encode_boxes", stream, references, boxes, deltas, coding);
}

void decode_boxes(CudaStream stream, Rows<const float> references, Rows<const float> deltas,
                  Rows<float> boxes, const BoxCoding& coding) {
  code<Decode>("decode_boxes", stream, references, deltas, boxes, coding);
}

}  // namespace ktrain::cuda
