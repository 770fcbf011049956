// For tests that run kernels: on a GPU, or on its emulation, by what the program is linked with.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "kernels/gpu.h"
#include "tests/support/gradcheck.h"

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

// An array on the device that starts `offset` elements after an aligned address.
template <class T>
class DeviceView {
 public:
  DeviceView(CudaStream stream, const std::vector<T>& values, std::int64_t offset = 0)
      : size_(static_cast<std::int64_t>(values.size())), offset_(offset), buffer_(size_ + offset) {
    if (size_ == 0) return;
    copy_to_device(stream, values.data(), data(), size_ * std::int64_t{sizeof(T)});
    (void)to_host(stream);  // `values` may be a temporary: wait
  }
  // Nobody has written it.
  explicit DeviceView(std::int64_t size, std::int64_t offset = 0)
      : size_(size), offset_(offset), buffer_(size + offset) {}

  [[nodiscard]] T* data() const { return buffer_.data() + offset_; }
  [[nodiscard]] Span<T> span() const { return {data(), size_}; }
  [[nodiscard]] Span<const T> in() const { return {data(), size_}; }
  [[nodiscard]] std::vector<T> to_host(CudaStream stream) const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    if (size_ > 0) copy_to_host(stream, data(), values.data(), size_ * std::int64_t{sizeof(T)});
    return values;
  }

 private:
  std::int64_t size_, offset_;
  DeviceBuffer<T> buffer_;
};

inline std::vector<float> random_floats(std::int64_t size, unsigned seed, double low = -1,
                                        double high = 1) {
  const Vec values = random_vec(static_cast<std::size_t>(size), seed, low, high);
  return {values.begin(), values.end()};
}

template <class To, class From>
std::vector<To> cast(const std::vector<From>& values) {
  return std::vector<To>(values.begin(), values.end());
}

// Equal to the last bit, NaNs included.
template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& got, const std::vector<T>& want) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure()
           << "sizes differ: " << got.size() << " and " << want.size();
  for (std::size_t i = 0; i < got.size(); ++i)
    if (std::memcmp(&got[i], &want[i], sizeof(T)) != 0)
      return ::testing::AssertionFailure()
             << "element " << i << ": got " << got[i] << ", want " << want[i];
  return ::testing::AssertionSuccess();
}

}  // namespace ktrain::test
