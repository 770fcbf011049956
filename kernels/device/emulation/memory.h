// Shared and device memory of the emulated GPU. New memory is filled with 0xFF: NaN as a float, -1
// as an integer. Every piece stands between guard bytes, which AddressSanitizer forbids to touch
// and which are compared, where it does not watch, after each block or launch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

void shared_memory_begins();  // for each block
void shared_memory_ends();
// The running block's array of this `key`, the same for all its threads; its first caller makes it.
[[nodiscard]] void* shared_memory(const void* key, std::size_t bytes, Site site);
// The memory that the launch asked for beside them: `bytes` of it, at a multiple of 1024.
[[nodiscard]] void* dynamic_shared_memory(std::size_t bytes, Site site);
// Addresses of shared memory as instructions hold them: 32 bits.
[[nodiscard]] std::uint32_t shared_address(const void* p);
[[nodiscard]] void* at_shared_address(std::uint32_t address);
// Inside one of the running block's arrays?
[[nodiscard]] bool is_shared_memory(const void* p, std::size_t bytes);

// nullptr when there is no memory. Freed memory is a Failure to use again.
[[nodiscard]] void* device_allocate(std::size_t bytes);
void device_free(void* p);  // Failure when it is not an allocation; null is nothing
[[nodiscard]] bool is_device_memory(const void* p, std::size_t bytes);
// A pointer that a kernel is called with: null, or inside (or just past) an allocation. Failure
// otherwise: host memory would work here and fault on a device.
void check_kernel_pointer(const char* kernel, const void* p);
void check_device_guards(const char* kernel);

}  // namespace ktrain::emulation
