#include "bench/rivals/cublas.h"

#include "bench/rivals/library.h"

#if __has_include(<cublas_v2.h>)
#include <cublas_v2.h>

namespace ktrain::bench {
namespace {

// The header has two functions of this name; the library has this one.
using GemmEx = cublasStatus_t(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                              const void*, const void*, cudaDataType, int, const void*,
                              cudaDataType, int, const void*, void*, cudaDataType, int,
                              cublasComputeType_t, cublasGemmAlgo_t);

// Names without the header's version suffix do not exist in the library.
struct Cublas {
  Library library{{"libcublas.so.13", "libcublas.so.12", "libcublas.so"}};
  decltype(cublasCreate_v2)* create = nullptr;
  decltype(cublasSetStream_v2)* set_stream = nullptr;
  decltype(cublasGetProperty)* property = nullptr;
  decltype(cublasGetStatusString)* status_text = nullptr;
  GemmEx* gemm = nullptr;
  cublasHandle_t handle = nullptr;
  std::string reason, version;

  Cublas() {
    library.find("cublasCreate_v2", create);
    library.find("cublasSetStream_v2", set_stream);
    library.find("cublasGetProperty", property);
    library.find("cublasGetStatusString", status_text);
    library.find("cublasGemmEx", gemm);
    reason = library.reason();
    if (!reason.empty()) return;
    int part[3] = {};
    for (const auto which : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL})
      (void)property(which, &part[which]);
    version = fmt::format("{}.{}.{}", part[0], part[1], part[2]);
    const cublasStatus_t status = create(&handle);
    if (status != CUBLAS_STATUS_SUCCESS)
      reason = fmt::format("cublasCreate: {}", status_text(status));
  }
};

Cublas& cublas() {
  static Cublas opened;
  return opened;
}

}  // namespace

const std::string& cublas_reason() { return cublas().reason; }

std::string cublas_line() {
  const Cublas& c = cublas();
  if (!c.library.loaded()) return "cuBLAS: absent: " + c.reason;
  const std::string text = fmt::format("cuBLAS {} ({})", c.version, c.library.path());
  return c.reason.empty() ? text : text + ": cannot be used: " + c.reason;
}

void cublas_multiply(CudaStream stream, const CublasProduct& p) {
  Cublas& c = cublas();
  KT_CHECK(c.reason.empty(), "cuBLAS: {}", c.reason);
  const bool bf16 = p.precision == Precision::kBf16;
  const cudaDataType_t type = bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const cublasComputeType_t compute =
      p.precision == Precision::kTf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const float one = 1, zero = 0;
  // The library's matrices are column-major: it computes the transpose, operands changed over.
  const auto side = [](std::int64_t size) { return static_cast<int>(size); };
  cublasStatus_t status = c.set_stream(c.handle, stream);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = c.gemm(c.handle, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                    p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, side(p.cols), side(p.rows),
                    side(p.depth), &one, p.b, type, side(p.transpose_b ? p.depth : p.cols), p.a,
                    type, side(p.transpose_a ? p.rows : p.depth), &zero, p.c, type, side(p.cols),
                    compute, CUBLAS_GEMM_DEFAULT);
  KT_CHECK(status == CUBLAS_STATUS_SUCCESS, "cublasGemmEx: {}", c.status_text(status));
}

}  // namespace ktrain::bench

#else

namespace ktrain::bench {

const std::string& cublas_reason() {
  static const std::string reason = "this program was built without cublas_v2.h";
  return reason;
}
std::string cublas_line() { return "cuBLAS: absent: " + cublas_reason(); }
void cublas_multiply(CudaStream, const CublasProduct&) { KT_CHECK(false, "{}", cublas_reason()); }

}  // namespace ktrain::bench

#endif
