// The machine's measured peak of single-precision multiply-adds, the yardstick of every "share of
// peak" that is printed.
#pragma once

namespace ktrain {

// Operations per second (a fused multiply-add is two) of independent vector multiply-adds out of
// registers, all threads of num_threads() at the same time: the sum of each thread's fastest slice
// of 2 ms among 10 * `rounds`. Short slices, since other programs on the machine would be measured
// otherwise: the peak is the machine's, not what is left of it.
[[nodiscard]] double measure_fma_peak(int rounds = 5);

// Bits in a vector that the peak was compiled for: 512, 256, 128, or 32 when multiply-adds are not
// fused and the number says little.
[[nodiscard]] int fma_vector_bits();

}  // namespace ktrain
