// What machine.cpp and sync.cpp share: the state of the running block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/device/emulation/fiber.h"
#include "kernels/device/emulation/machine.h"

namespace ktrain::emulation {

inline constexpr int kLanes = 32;

enum class State : std::uint8_t { kReady, kAtBarrier, kAtMbarrier, kInWarpOperation, kLeft };

// A copy that has not arrived: async_copy.h.
struct AsyncCopy {
  void* to;
  const void* from;
  unsigned source_bytes, group;
  Site site;
};

struct Thread {
  Fiber fiber;
  uint3 index{};
  unsigned number = 0;  // in its block
  int lane = 0;
  State state = State::kLeft;
  const char* waits_in = "";
  Site site{};
  bool fenced = false;
  std::array<const void*, 4> atomics{};  // the last addresses, for the next fence
  unsigned num_atomics = 0;
  std::vector<AsyncCopy> copies;            // in the order of their start
  unsigned copy_group = 0;                  // the next one to be committed
  const std::uint64_t* mbarrier = nullptr;  // that it waits for
  std::vector<std::uint64_t*> barriers;     // that it made and has not fenced
};

// One warp-wide operation whose lanes are arriving.
struct WarpOperation {
  unsigned mask = 0;
  unsigned arrived = 0;
  const char* name = "";
  Site site{};
  std::array<const void*, kLanes> in{};
  std::array<void*, kLanes> out{};
  std::array<Thread*, kLanes> threads{};
};

struct Warp {
  unsigned exists = 0;  // lanes
  unsigned left = 0;
  unsigned turn = 0;
  std::vector<WarpOperation> pending;
  std::array<char, 64> clocks{};  // addresses that stand for __syncwarp in the race check
};

// A warpgroup's multiplications of a warp that have not been waited for: warpgroup.cpp.
struct Multiplication {
  std::array<float*, kLanes> sums{};
  std::uint64_t a = 0, b = 0;
  int cols = 0;
  bool a_along_side = false, b_along_side = false;
  unsigned group = 0;
  bool done = false;
  Site site{};
};
// Sums that instructions are writing: nobody's until they were waited for.
struct BusySums {
  std::array<float*, kLanes> sums{};
  int cols = 0;
  std::vector<float> values;  // by lane
};
struct WarpProducts {
  bool fenced = false;
  unsigned group = 0;      // the next one to be committed
  std::size_t issued = 0;  // since the block began
  std::vector<Multiplication> waiting;
  std::vector<BusySums> busy;
  char clock = 0;  // its address stands for its waits in the race check
};

struct Random {
  std::uint64_t state = 1;
  std::uint32_t below(std::uint32_t limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<std::uint32_t>(((state >> 32) * limit) >> 32);
  }
};

struct Machine {
  const char* kernel = "";
  void (*body)(const void*) = nullptr;
  const void* arguments = nullptr;

  uint3 block{};
  unsigned num_threads = 0;
  unsigned alive = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;

  std::vector<Thread*> at_barrier;
  Site barrier_site{};
  unsigned barrier_generation = 0;
  std::array<char, 2> barrier_clocks{};

  std::size_t shared_bytes = 0;
  std::vector<Thread*> at_mbarrier;
  std::vector<std::function<void()>> jobs;  // of the async proxy, in the order of their start
  std::vector<WarpProducts> products;       // by warp, made by the first multiplication
  std::vector<std::vector<Multiplication>> issued;  // by warpgroup: all warps issue the same

  std::vector<Thread*> ready;
  std::size_t next_ready = 0;
  Thread* running = nullptr;
  Random random;
  std::optional<Failure> failure;
};

extern constinit Machine the_machine;
[[nodiscard]] inline Machine& machine() { return the_machine; }

void make_ready(Thread& thread);
// The running thread stops in `state` and goes on when somebody makes it ready.
void wait(State state, const char* what, Site site);
// The running thread has ended: those who wait for it go on, or it is an error.
void thread_leaves(Thread& thread);

}  // namespace ktrain::emulation
