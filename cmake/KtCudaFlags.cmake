# How nvcc compiles our .cu files, in a CUDA build and in the test that compiles them everywhere:
# warnings, register spills and local memory are errors.
set(KT_CUDA_FLAGS
    # a*b+c is not silently fused, as in C++: elementwise arithmetic agrees with the CPU's to the bit.
    -fmad=false
    -lineinfo
    -Werror=all-warnings
    # "will not be called": a conversion that a requires-clause takes away from that type.
    -diag-suppress=554
    -Xcompiler=-Wall,-Wextra,-Werror
    -Xptxas=-warn-spills,-warn-lmem-usage,-Werror
    # fmt takes nvcc for a compiler without constexpr and then does not compile.
    -DFMT_USE_CONSTEXPR=1)
