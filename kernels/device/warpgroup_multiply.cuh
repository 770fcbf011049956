// A warpgroup's multiplication, wgmma.mma_async of m64nNk16 in bf16: the rest of warpgroup.cuh,
// which has the words. Registers are named one by one.
#pragma once

#include "kernels/device/warpgroup.cuh"

namespace ktrain::warpgroup {

#if defined(__CUDACC__) && defined(__CUDA_ARCH_FEAT_SM90_ALL)

#define KT_NAMES_32                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17" \
  ", %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define KT_NAMES_64                                                                  \
  KT_NAMES_32                                                                        \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define KT_NAMES_128                                                                 \
  KT_NAMES_64                                                                        \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79" \
  ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95" \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109" \
  ", %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122"   \
  ", %123, %124, %125, %126, %127"
#define KT_FOUR(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define KT_SIXTEEN(i) KT_FOUR(i), KT_FOUR(i + 4), KT_FOUR(i + 8), KT_FOUR(i + 12)
#define KT_REGISTERS_32 KT_SIXTEEN(0), KT_SIXTEEN(16)
#define KT_REGISTERS_64 KT_REGISTERS_32, KT_SIXTEEN(32), KT_SIXTEEN(48)
#define KT_REGISTERS_128 \
  KT_REGISTERS_64, KT_SIXTEEN(64), KT_SIXTEEN(80), KT_SIXTEEN(96), KT_SIXTEEN(112)
#define KT_MULTIPLY(cols, names, registers, a, b, a_side, b_side)                         \
  asm volatile(                                                                           \
      "{ .reg .pred adds; setp.ne.b32 adds, 1, 0; "                                       \
      "wgmma.mma_async.sync.aligned.m64n" cols "k16.f32.bf16.bf16 {" names "}, " a ", " b \
      ", adds, 1, 1, " a_side ", " b_side "; }"                                           \
      : registers                                                                         \
      : "l"(descriptor_a), "l"(descriptor_b), "n"(kSideA), "n"(kSideB))

template <int kCols, bool kAlongSideA, bool kAlongSideB>
__device__ __forceinline__ void multiply(float (&d)[kCols / 2], std::uint64_t descriptor_a,
                                         std::uint64_t descriptor_b) {
  static_assert(kCols == 64 || kCols == 128 || kCols == 256);
  constexpr int kSideA = kAlongSideA ? 1 : 0, kSideB = kAlongSideB ? 1 : 0;
  if constexpr (kCols == 64)
    KT_MULTIPLY("64", KT_NAMES_32, KT_REGISTERS_32, "%32", "%33", "%34", "%35");
  if constexpr (kCols == 128)
    KT_MULTIPLY("128", KT_NAMES_64, KT_REGISTERS_64, "%64", "%65", "%66", "%67");
  if constexpr (kCols == 256)
    KT_MULTIPLY("256", KT_NAMES_128, KT_REGISTERS_128, "%128", "%129", "%130", "%131");
}

#undef KT_NAMES_32
#undef KT_NAMES_64
#undef KT_NAMES_128
#undef KT_FOUR
#undef KT_SIXTEEN
#undef KT_REGISTERS_32
#undef KT_REGISTERS_64
#undef KT_REGISTERS_128
#undef KT_MULTIPLY

#elif defined(__CUDACC__)

template <int kCols, bool kAlongSideA, bool kAlongSideB>
__device__ void multiply(float (&)[kCols / 2], std::uint64_t, std::uint64_t);

#else

template <int kCols, bool kAlongSideA, bool kAlongSideB>
void multiply(float (&d)[kCols / 2], std::uint64_t descriptor_a, std::uint64_t descriptor_b,
              Site site = Site::here()) {
  static_assert(kCols == 64 || kCols == 128 || kCols == 256);
  emulation::multiply_async(d, kCols, {descriptor_a, descriptor_b, kAlongSideA, kAlongSideB}, site);
}

#endif

}  // namespace ktrain::warpgroup
