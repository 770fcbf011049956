// Between tensors and the arrays of a file.
#pragma once

#include <string>

#include "runtime/parameters.h"
#include "train/checkpoint_file.h"

namespace ktrain {

[[nodiscard]] ArraySpec array_spec(const std::string& name, const Tensor& tensor);

// The tensor's own memory, which must outlive the array and hold still until it is written. Of a
// tensor on a GPU: a copy, as it is now.
[[nodiscard]] NamedArray named_array(const std::string& name, const Tensor& tensor);

// Every parameter and buffer of the set under its name.
[[nodiscard]] std::vector<NamedArray> parameter_arrays(const ParameterSet& parameters);

// The array of that name into the tensor; a Fault when it is not there or of another shape.
void load_tensor(const LoadedCheckpoint& from, const std::string& name, Tensor tensor);

}  // namespace ktrain
