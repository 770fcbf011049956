// cuBLAS, opened when it is first asked for.
#pragma once

#include <cstdint>
#include <string>

#include "bench/cases.h"

namespace ktrain::bench {

// c = op(a) op(b), row-major: rows x cols, op(a) rows x depth. In kBf16 of bf16, else of float.
struct CublasProduct {
  const void* a;
  const void* b;
  void* c;
  std::int64_t rows, cols, depth;
  bool transpose_a, transpose_b;
  Precision precision;
};

// Why products cannot be run: no library, no header when this was built, no GPU. Empty: they can.
[[nodiscard]] const std::string& cublas_reason();
// "cuBLAS 13.0.2 (/usr/...)" or "cuBLAS: absent: ...".
[[nodiscard]] std::string cublas_line();
// Throws Error with the library's own words.
void cublas_multiply(CudaStream stream, const CublasProduct& product);

}  // namespace ktrain::bench
