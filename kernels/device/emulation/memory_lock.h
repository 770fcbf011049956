// With KT_EMULATION_LOCK=1 in the environment large allocations of the emulated GPU (64 KiB and
// more) are out of the host's reach unless a kernel, a copy or a fill runs: a loop on the host that
// reads or writes one ends the process there and then, as it would with a GPU.
#pragma once

namespace ktrain::emulation {

// Device memory can be reached while one lives.
class MemoryOpen {
 public:
  MemoryOpen();
  ~MemoryOpen();
  MemoryOpen(const MemoryOpen&) = delete;
  MemoryOpen& operator=(const MemoryOpen&) = delete;
};

}  // namespace ktrain::emulation
