// Where an op runs, and the macro that sends it there.
#pragma once

#include <cstdint>
#include <string_view>

struct CUstream_st;

namespace ktrain {

using CudaStream = CUstream_st*;

enum class Device : std::uint8_t { kCpu, kCuda };

[[nodiscard]] constexpr std::string_view name(Device device) {
  return device == Device::kCpu ? "cpu" : "cuda";
}

class Profile;

// A device, its stream and what is done with the work that arrives.
struct Queue {
  Device device = Device::kCpu;
  CudaStream stream = nullptr;
  // Kernels are skipped and memory stays untouched: a pass that only plans memory and shapes.
  bool planning = false;
  // When set, the time (CPU) of each kernel is added under its name.
  Profile* profile = nullptr;
};

// Starts and stops the clock of one kernel in `queue.profile`, if there is one.
class ProfiledScope {
 public:
  ProfiledScope(const Queue& queue, const char* kernel);
  ~ProfiledScope();
  ProfiledScope(const ProfiledScope&) = delete;
  ProfiledScope& operator=(const ProfiledScope&) = delete;

 private:
  Profile* profile_;
  const char* kernel_;
  double begin_seconds_ = 0;
};

// Throws Error: `kernel` has no form for the queue's device.
[[noreturn]] void fail_no_kernel(const Queue& queue, const char* kernel);

// Runs work that exists on the CPU only. On another device it is an error that names the kernel.
template <class Work>
void run_on_cpu(const Queue& queue, const char* kernel, Work&& work) {
  if (queue.planning) return;
  if (queue.device != Device::kCpu) fail_no_kernel(queue, kernel);
  const ProfiledScope scope(queue, kernel);
  work();
}

}  // namespace ktrain

// KT_RUN(queue, softmax_forward, x, y) calls cpu::softmax_forward(x, y) or
// cuda::softmax_forward(stream, x, y). A backend without the function does not compile or link.
// KT_RUN_AS(queue, "linear_forward", gemm, a, b, c) calls gemm and has it profiled under that name.
#if KT_CUDA_ENABLED
#define KT_RUN_AS(queue, name, kernel, ...)                   \
  do {                                                        \
    const ::ktrain::Queue& kt_queue = (queue);                \
    if (kt_queue.planning) break;                             \
    const ::ktrain::ProfiledScope kt_scope(kt_queue, (name)); \
    if (kt_queue.device == ::ktrain::Device::kCpu)            \
      ::ktrain::cpu::kernel(__VA_ARGS__);                     \
    else                                                      \
      ::ktrain::cuda::kernel(kt_queue.stream, __VA_ARGS__);   \
  } while (false)
#else
#define KT_RUN_AS(queue, name, kernel, ...) \
  ::ktrain::run_on_cpu((queue), (name), [&] { ::ktrain::cpu::kernel(__VA_ARGS__); })
#endif
#define KT_RUN(queue, kernel, ...) KT_RUN_AS(queue, #kernel, kernel, __VA_ARGS__)
