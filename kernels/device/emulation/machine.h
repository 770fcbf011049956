// The emulated GPU: a grid's blocks one after the other, a block's threads as fibres that give way
// to each other at barriers, warp operations and atomics only. What a GPU would leave undefined is
// looked for and thrown as a Failure; what it would do in parallel is done in an order that
// options() chooses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "kernels/check.h"
#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

enum class Schedule : std::uint8_t { kFifo, kReverse, kRandom };

// Read once from the environment: KT_EMULATION_SCHEDULE = fifo, reverse or random,
// KT_EMULATION_SEED a number, KT_EMULATION_STRICT_EXIT = 1.
struct Options {
  Schedule schedule = Schedule::kFifo;  // order of threads and blocks
  std::uint64_t seed = 1;               // of the random schedule
  // A thread that leaves its kernel before a barrier that others still wait at is an error. CUDA
  // lets it pass on current devices, and a kernel that relies on it is fragile.
  bool strict_exit = false;
};
[[nodiscard]] Options& options();

// What a kernel or a launch did wrong. `kind` is a word that tests ask for.
class Failure : public Error {
 public:
  Failure(std::string kind, const std::string& text) : Error(text), kind_(std::move(kind)) {}
  [[nodiscard]] const std::string& kind() const { return kind_; }

 private:
  std::string kind_;
};

// Throws Failure out of the launch; inside a kernel it also names block and thread, and the block
// is abandoned where it stands.
[[noreturn]] void fail_with(const char* kind, const std::string& text);

template <class... Arguments>
[[noreturn]] void fail(const char* kind, fmt::format_string<Arguments...> text,
                       Arguments&&... arguments) {
  // What makes the text is shared with kernels, whose copies of it may be watched.
  access_check::runs(-1, nullptr);
  fail_with(kind, fmt::format(text, std::forward<Arguments>(arguments)...));
}

// Where a thread waits for others, and how far the warp operations of its warp are: warp.cpp.
struct WarpOperation;

struct Thread;                           // of the running block
[[nodiscard]] Thread* current_thread();  // nullptr on the host
[[nodiscard]] int current_lane();
[[nodiscard]] unsigned num_threads_in_block();

// Runs `body(arguments)` as every thread of the grid; body copies what it needs. Errors are
// Failures.
// `shared_bytes` of dynamic shared memory for each block.
void run_grid(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes,
              void (*body)(const void*), const void* arguments, std::size_t arguments_bytes);
// What run_grid() was given, of the running launch.
[[nodiscard]] std::size_t dynamic_shared_bytes();

// __syncthreads(): waits for every thread of the block that has not left.
void block_barrier(Site site);
// Lets other threads go first when the schedule is random, sometimes.
void maybe_yield();

// Fences and atomics, for the race check: "fence, then atomic" publishes what came before,
// "atomic, then fence" receives it.
void memory_fence();
void atomic_access(const void* address, std::size_t bytes, Site site);

}  // namespace ktrain::emulation
