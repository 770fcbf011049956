#include "bench/lab.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>

#include "kernels/elementwise.h"
#include "kernels/random.h"
#if KT_CUDA_ENABLED
#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#endif

namespace ktrain::bench {

#if KT_CUDA_ENABLED

namespace {
// Larger than any cache: an H100 has 50 MB, a B200 126.
constexpr std::int64_t kEvictedFloats = 64 << 20;
}  // namespace

struct Lab::Gpu {
  Stream stream;
  std::shared_ptr<void> evicted;
};

Lab::Lab(Device device, std::int64_t scale) : scale_(scale) {
  queue_.device = device;
  if (!cuda()) return;
  gpu_ = std::make_unique<Gpu>();
  queue_.stream = gpu_->stream.get();
  gpu_->evicted = allocate(kEvictedFloats / scale * std::int64_t{sizeof(float)});
}

void Lab::evict() const {
  if (cuda())
    cuda::fill(stream(), {static_cast<float*>(gpu_->evicted.get()), kEvictedFloats / scale_}, 1.0);
}

void Lab::wait() const {
  if (cuda()) gpu_->stream.synchronize();
}

#else

struct Lab::Gpu {};

Lab::Lab(Device device, std::int64_t scale) : scale_(scale) {
  KT_CHECK(device == Device::kCpu, "Lab: this program was built without CUDA (KT_CUDA=OFF)");
}

void Lab::evict() const {}
void Lab::wait() const {}

#endif

Lab::~Lab() = default;

std::shared_ptr<void> Lab::allocate(std::int64_t bytes) const {
#if KT_CUDA_ENABLED
  if (cuda()) return {device_allocate(bytes), device_free};
#endif
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
  const std::size_t alignment = wanted < kPage ? 256 : kPage;
  const std::size_t rounded = (wanted + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  if (alignment == kPage) (void)madvise(memory, rounded, MADV_HUGEPAGE);
  std::memset(memory, 0, rounded);  // pages exist before anything is timed
  return {memory, std::free};
}

void Lab::upload(const void* from, void* to, std::int64_t bytes) const {
  if (bytes == 0) return;
#if KT_CUDA_ENABLED
  if (cuda()) {
    copy_to_device(stream(), from, to, bytes);
    wait();
    return;
  }
#endif
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

void Lab::download(const void* from, void* to, std::int64_t bytes) const {
  if (bytes == 0) return;
#if KT_CUDA_ENABLED
  if (cuda()) {
    copy_to_host(stream(), from, to, bytes);
    return;
  }
#endif
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

Array<float> Lab::normal(std::int64_t size, std::uint32_t sample, double deviation) const {
  const Array<float> values = make<float>(size);
  const RandomKey key{.seed = 1, .stream = 0xBE, .epoch = 0};
  KT_RUN(queue_, fill_normal, key, sample, values.out(), 0.0, deviation);
  wait();
  return values;
}

}  // namespace ktrain::bench
