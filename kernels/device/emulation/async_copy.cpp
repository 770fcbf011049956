#include "kernels/device/emulation/async_copy.h"

#include <algorithm>
#include <cstring>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/block.h"
#include "kernels/device/emulation/memory.h"

namespace ktrain::emulation {
namespace {

void arrive(const AsyncCopy& copy) {
  access_check::touched(copy.to, kAsyncCopyBytes, access_check::Kind::kWrite, copy.site);
  char* const to = static_cast<char*>(copy.to);
  if (copy.source_bytes > 0) std::memcpy(to, copy.from, copy.source_bytes);
  std::memset(to + copy.source_bytes, 0, kAsyncCopyBytes - copy.source_bytes);
}

void check_copy(const AsyncCopy& copy) {
  const auto misaligned = [](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % kAsyncCopyBytes != 0;
  };
  const char* wrong = nullptr;
  if (copy.source_bytes > kAsyncCopyBytes)
    wrong = "more than 16 bytes";
  else if (misaligned(copy.to) || misaligned(copy.from))
    wrong = "an address that is not a multiple of 16";
  else if (!is_shared_memory(copy.to, kAsyncCopyBytes))
    wrong = "a destination outside every shared array";
  else if (!is_device_memory(copy.from, copy.source_bytes))
    wrong = "a source outside every device allocation";
  if (wrong)
    fail("async-copy", "asynchronous copy with {} at {}:{}", wrong, copy.site.file, copy.site.line);
}

}  // namespace

void copy_async(void* shared, const void* global, unsigned source_bytes, Site site) {
  Thread& self = *machine().running;
  const AsyncCopy copy{shared, global, source_bytes, self.copy_group, site};
  check_copy(copy);
  if (source_bytes > 0)
    access_check::touched(global, source_bytes, access_check::Kind::kRead, site);
  access_check::touched(shared, kAsyncCopyBytes, access_check::Kind::kWrite, site);
  std::memset(shared, 0xFF, kAsyncCopyBytes);
  access_check::lost(shared, kAsyncCopyBytes);
  self.copies.push_back(copy);
}

void commit_copies() { ++machine().running->copy_group; }

void wait_for_copies(unsigned groups_left) {
  Thread& self = *machine().running;
  const auto first_left = std::find_if(
      self.copies.begin(), self.copies.end(),
      [&](const AsyncCopy& copy) { return copy.group + groups_left >= self.copy_group; });
  std::for_each(self.copies.begin(), first_left, arrive);
  self.copies.erase(self.copies.begin(), first_left);
}

}  // namespace ktrain::emulation
