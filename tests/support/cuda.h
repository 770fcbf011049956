// For tests that run kernels: on a GPU, or on its emulation, by what the program is linked with.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/device/stream.h"
#include "kernels/gpu.h"
#include "tests/support/device_view.h"
#include "tests/support/same_bits.h"

// Skips the test, in sight, where there is no GPU; with KT_REQUIRE_GPU=1 in the environment fails.
#define KT_NEEDS_GPU()                                                               \
  do {                                                                               \
    static const ::ktrain::GpuQuery kt_found = ::ktrain::find_gpu();                 \
    if (kt_found.gpu) break;                                                         \
    const char* const kt_required = std::getenv("KT_REQUIRE_GPU");                   \
    if (kt_required && *kt_required == '1') FAIL() << "no GPU: " << kt_found.reason; \
    GTEST_SKIP() << "no GPU: " << kt_found.reason;                                   \
  } while (false)

namespace ktrain::test {

// The size of a large case. KT_TEST_SCALE=16 makes it 16 times smaller: for the checkers, which are
// that much slower.
inline std::int64_t large(std::int64_t size) {
  const char* const scale = std::getenv("KT_TEST_SCALE");
  return scale ? size / std::atoll(scale) : size;
}

}  // namespace ktrain::test
