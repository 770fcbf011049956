// What operands of a product are rounded to before they are multiplied. Sums are in float in any
// case. The caller chooses; nothing is rounded further than it says.
#pragma once

#include <cstdint>

namespace ktrain {

enum class Precision : std::uint8_t {
  kFloat,  // not at all
  kTf32,   // floats may be rounded to 10 bits of fraction, unit roundoff 2^-11. A permission: where
           // there are no such instructions, and on the CPU, it is kFloat
  kBf16,   // operands that are Bfloat16 in memory, unit roundoff 2^-8
};

}  // namespace ktrain
