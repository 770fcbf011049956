// The machine's measured peak of single-precision multiply-adds, the yardstick of every "share of
// peak" that is printed.
#pragma once

namespace ktrain {

// Operations per second (a fused multiply-add is two) over all threads of num_threads(), each
// running independent vector multiply-adds out of registers: the best of `rounds` rounds of about
// 20 ms. Depends on what else the machine does: measure next to what is compared.
[[nodiscard]] double measure_fma_peak(int rounds = 5);

// Bits in a vector that the peak was compiled for: 512, 256, 128, or 32 when multiply-adds are not
// fused and the number says little.
[[nodiscard]] int fma_vector_bits();

}  // namespace ktrain
