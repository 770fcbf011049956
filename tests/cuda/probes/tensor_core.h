// One instruction of device/tensor_core.cuh at a time, run by one warp: inputs and outputs by lane,
// in device memory.
#pragma once

#include <cstdint>

#include "kernels/queue.h"

namespace ktrain::test {

enum class Multiplication : std::uint8_t { kBf16, kTf32 };

// d = a b + c. a: 4 registers of each of 32 lanes; b: 2; c and d: 4.
void probe_multiply(CudaStream stream, Multiplication kind, const std::uint32_t* a,
                    const std::uint32_t* b, const float* c, float* d);
// matrices: 32 rows of 8 elements, which go to shared memory; rows: the row that each lane names;
// r: 4 registers of each lane.
void probe_load_matrices(CudaStream stream, bool transposed, const std::uint16_t* matrices,
                         const std::int32_t* rows, std::uint32_t* r);
// Every lane copies bytes[lane] of its 16 bytes of `from` in the first of two groups and all of
// them in the second, waits for the first one, then for both; its neighbour stores them in `first`
// and `second`.
void probe_copy(CudaStream stream, const std::uint8_t* from, const std::int32_t* bytes,
                std::uint8_t* first, std::uint8_t* second);
void probe_to_tf32(CudaStream stream, const float* x, std::uint32_t* bits);

}  // namespace ktrain::test
