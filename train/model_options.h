// From the keys of a plan to the option structs of the detector, which knows no plan.
#pragma once

#include <string>
#include <string_view>

#include "models/detector.h"
#include "train/plan.h"

namespace ktrain {

[[nodiscard]] DetectorOptions detector_options(const Plan& plan);
// A value of train.precision: float, tf32 or bf16.
void set_precision(std::string_view precision, DetectorOptions& options);

// One line per block: parameters, of which trainable, and what is frozen. ASCII.
[[nodiscard]] std::string model_table(const DetectorOptions& options,
                                      const ParameterSet& parameters);

}  // namespace ktrain
