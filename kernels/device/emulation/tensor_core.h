// A warp's matrix instructions: mma.sync and ldmatrix. Who holds which element is as the PTX ISA
// says ("Matrix Fragments for mma.m16n8k16 / .m16n8k8", "ldmatrix"); g = lane / 4, t = lane % 4:
//
//   bf16, 16 x 8 x 16   a[0..3]: rows g, g+8, g, g+8, columns 2t, 2t+1, those of a[2], a[3] 8
//   further
//                       b[0..1]: rows 2t, 2t+1, those of b[1] 8 further, column g
//                       two to a register, the first in its lower half
//   tf32, 16 x 8 x 8    a[0..3]: rows g, g+8, g, g+8, columns t, t, t+4, t+4
//                       b[0..1]: rows t, t+4, column g
//   c, d                [0..3]: (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1)
//
// All 32 lanes must take part, at one line. Products are exact and summed in double, to which c is
// added, rounded once: a GPU keeps fewer bits of the sum, in an order of its own.
#pragma once

#include <cstdint>

#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

// d += a b
void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                   Site site);
// A register with more than tf32's 10 bits of fraction is a Failure "tf32": it was not converted,
// and a GPU would drop them without rounding.
void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                   Site site);

// cvt.rna.tf32.f32: to 10 bits of fraction, nearest, ties away from zero.
[[nodiscard]] std::uint32_t to_tf32(float x);

// Four matrices of 8 rows of 16 bytes. Lane l names row l % 8 of matrix l / 8; register i of a lane
// gets elements 2t, 2t+1 (of 2 bytes) of row g of matrix i, or, transposed, of column g. Failure
// "load-matrix" for addresses that are not multiples of 16 or not shared memory.
void load_matrices(std::uint32_t (&r)[4], const void* row, bool transposed, Site site);

// What load_matrices() read since the program began: matrices, and how many cycles they took more
// than one each because rows stood in the same banks.
struct MatrixLoads {
  std::uint64_t matrices = 0;
  std::uint64_t lost_cycles = 0;
};
[[nodiscard]] const MatrixLoads& matrix_loads();

}  // namespace ktrain::emulation
