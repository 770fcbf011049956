// The JSON of a safetensors header, read event by event: no tree, no recursion, no depth.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "train/safetensors.h"

namespace ktrain {

// Entries in the order of the text; duplicates and ranges are the caller's to check.
[[nodiscard]] SafetensorsHeader parse_safetensors_json(std::string_view json,
                                                       const SafetensorsLimits& limits);

[[nodiscard]] std::optional<ArrayType> find_array_type(std::string_view name);

}  // namespace ktrain
