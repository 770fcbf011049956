// Multiplications of a warpgroup, four warps that follow each other from a multiple of four on
// (wgmma.mma_async): d += a b, 64 x cols x 16 of bf16, a and b from shared memory, d in registers.
// As the PTX ISA says ("Asynchronous Warpgroup Level Matrix ..."):
//
//   d            warp w of the four holds rows 16 w to 16 w + 15; with g = lane / 4, t = lane % 4
//                its d[4 j + 2 h + c] is row 16 w + g + 8 h, column 8 j + 2 t + c
//   descriptor   bits 0-13 the start address, 16-29 the leading offset, 32-45 the stride offset,
//   all
//                in pieces of 16 bytes; 49-51 the base offset, 0 here; 62-63 the swizzle: 0 none, 1
//                of 128 bytes, 2 of 64, 3 of 32
//
// Every lane of every warp calls them at one line, and all four warps issue the same. Between a
// multiplication and the wait for it its sums hold poison, and the access check refuses to touch
// them; operands are read for the access check when it is issued and when it is waited for.
// Products are exact and summed in double, to which d is added, rounded once for each
// multiplication.
//
// Failure "warpgroup" where the rules are broken: warps that differ, no fence since the last wait.
#pragma once

#include <cstdint>

#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

// wgmma.fence: registers may be handed to the multiplications that follow.
void fence_sums(Site site);
struct Factors {
  std::uint64_t a, b;               // descriptors
  bool a_along_side, b_along_side;  // else along k
};
void multiply_async(float* sums, int cols, const Factors& factors, Site site);
// What the warp issued since its last group is a group.
void commit_products(Site site);
// Goes on when all but the youngest `groups_left` are done.
void wait_for_products(unsigned groups_left, Site site);

// The address of element (side, k), k below 16, of an operand. Throws Failure "warpgroup" for a
// base offset.
[[nodiscard]] std::uint32_t element_address(std::uint64_t descriptor, int side, int k,
                                            bool along_side);

// At the end of a block: Failure when warps of a group did not issue the same number of
// multiplications, or did not wait for one.
void check_products_finished();

}  // namespace ktrain::emulation
