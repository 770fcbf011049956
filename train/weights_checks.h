// Checks on what goes into a checkpoint and on what is given for one.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "train/safetensors.h"

namespace ktrain {

// Throws a Fault that names the first array with a NaN or an infinity in it.
void check_finite(std::span<const NamedArray> arrays);

// What kind of file begins like this, when it is one that people take for weights: "a PyTorch
// archive (.pt, .pth)"; "" for anything else.
[[nodiscard]] std::string foreign_weights(std::span<const std::byte> first_bytes);

}  // namespace ktrain
