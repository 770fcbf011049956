#include "kernels/device/emulation/machine.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <string_view>

#include <sys/mman.h>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/block.h"
#include "kernels/device/emulation/cuda.h"
#include "kernels/device/emulation/memory.h"
#include "kernels/device/emulation/memory_lock.h"
#include "kernels/device/emulation/sanitizers.h"
#include "kernels/device/emulation/warpgroup.h"

namespace ktrain::emulation {
namespace {

constexpr std::size_t kStackBytes = KT_EMULATION_ASAN ? 256 << 10 : 64 << 10;
constexpr unsigned kMaxThreads = 1024;

Options options_from_environment() {
  Options o;
  if (const char* text = std::getenv("KT_EMULATION_SCHEDULE")) {
    const std::string_view schedule = text;
    KT_CHECK(schedule == "fifo" || schedule == "reverse" || schedule == "random",
             "KT_EMULATION_SCHEDULE is '{}', wanted fifo, reverse or random", schedule);
    o.schedule = schedule == "random"    ? Schedule::kRandom
                 : schedule == "reverse" ? Schedule::kReverse
                                         : Schedule::kFifo;
  }
  if (const char* text = std::getenv("KT_EMULATION_SEED"))
    o.seed = std::strtoull(text, nullptr, 10);
  if (const char* text = std::getenv("KT_EMULATION_STRICT_EXIT")) o.strict_exit = *text == '1';
  return o;
}

char* stacks() {
  static char* const memory = [] {
    void* const p = mmap(nullptr, kMaxThreads * kStackBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    KT_CHECK(p != MAP_FAILED, "emulation: no address range for {} stacks", kMaxThreads);
    return static_cast<char*>(p);
  }();
  return memory;
}

void run_thread() {
  Machine& m = machine();
  Thread& self = *m.running;
  try {
    m.body(m.arguments);
  } catch (const std::exception& error) {  // becomes the launch's error: nothing may unwind a fibre
    fail("exception", "{} threw: {}", m.kernel, error.what());
  }
  thread_leaves(self);
  Fiber::leave();
}

void prepare_block(Machine& m, dim3 grid, dim3 block, std::uint64_t index) {
  m.block = {static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
             static_cast<unsigned>(index / grid.x / grid.y)};
  m.alive = m.num_threads;
  m.at_barrier.clear();
  m.at_mbarrier.clear();
  m.jobs.clear();
  m.products.clear();
  m.ready.clear();
  m.next_ready = 0;
  const unsigned num_warps = (m.num_threads + kLanes - 1) / kLanes;
  m.warps.assign(num_warps, Warp{});
  for (unsigned w = 0; w < num_warps; ++w) {
    const unsigned lanes = std::min(m.num_threads - w * kLanes, unsigned{kLanes});
    m.warps[w].exists = lanes == kLanes ? ~0u : (1u << lanes) - 1;
  }
  for (unsigned t = 0; t < m.num_threads; ++t) {
    Thread& thread = m.threads[t];
    thread.index = {t % block.x, t / block.x % block.y, t / block.x / block.y};
    thread.number = t;
    thread.lane = static_cast<int>(t % kLanes);
    thread.fenced = false;
    thread.atomics = {};
    thread.num_atomics = 0;
    thread.copies.clear();
    thread.copy_group = 0;
    thread.barriers.clear();
    thread.fiber.prepare(stacks() + t * kStackBytes, kStackBytes, t, &run_thread);
  }
  for (unsigned t = 0; t < m.num_threads; ++t)
    make_ready(m.threads[options().schedule == Schedule::kReverse ? m.num_threads - 1 - t : t]);
}

// Work beside the threads, the oldest or, at random, any: nothing orders it.
void run_job(Machine& m) {
  const std::size_t i = options().schedule == Schedule::kRandom
                            ? m.random.below(static_cast<std::uint32_t>(m.jobs.size()))
                            : 0;
  const std::function<void()> job = std::move(m.jobs[i]);
  m.jobs.erase(m.jobs.begin() + static_cast<std::ptrdiff_t>(i));
  access_check::runs(static_cast<int>(m.num_threads), nullptr);
  try {
    job();
  } catch (const Failure& failure) {  // the launch throws it when the block is put away
    m.failure.emplace(failure);
  }
  access_check::runs(-1, nullptr);
}

// As late as can be, so that a missing wait is seen; at random, any time.
bool wants_job(Machine& m) {
  if (m.jobs.empty() || m.failure || m.alive == 0) return false;
  if (m.next_ready == m.ready.size()) return true;
  return options().schedule == Schedule::kRandom && m.random.below(64) == 0;
}

// Those who only wanted to see what happens.
void wake_patient_threads(Machine& m) {
  const auto patient = [](const Thread* t) { return t->mbarrier == nullptr; };
  for (Thread* const thread : m.at_mbarrier)
    if (patient(thread)) make_ready(*thread);
  std::erase_if(m.at_mbarrier, patient);
}

Thread* pick(Machine& m) {
  while (wants_job(m)) run_job(m);
  if (m.next_ready == m.ready.size() && !m.failure) wake_patient_threads(m);
  const std::size_t count = m.ready.size() - m.next_ready;
  if (count == 0 || m.failure) return nullptr;
  if (options().schedule == Schedule::kRandom)
    std::swap(m.ready[m.next_ready],
              m.ready[m.next_ready + m.random.below(static_cast<std::uint32_t>(count))]);
  Thread* const thread = m.ready[m.next_ready++];
  if (m.next_ready == m.ready.size()) {
    m.ready.clear();
    m.next_ready = 0;
  }
  return thread;
}

// Nobody can run and not everybody has left: who waits where.
[[noreturn]] void report_deadlock(const Machine& m) {
  struct Place {
    const Thread* first;
    int count;
  };
  std::vector<Place> places;
  for (unsigned t = 0; t < m.num_threads; ++t) {
    const Thread& thread = m.threads[t];
    if (thread.state == State::kLeft) continue;
    const auto same = std::find_if(places.begin(), places.end(), [&](const Place& p) {
      return p.first->site == thread.site && std::strcmp(p.first->waits_in, thread.waits_in) == 0;
    });
    if (same == places.end())
      places.push_back({&thread, 1});
    else
      ++same->count;
  }
  std::string text =
      fmt::format("{}: {} of {} threads of block {},{},{} can never go on:", m.kernel, m.alive,
                  m.num_threads, m.block.x, m.block.y, m.block.z);
  for (const Place& p : places)
    text += fmt::format(" [{} in {} at {}:{}, first thread {}]", p.count, p.first->waits_in,
                        p.first->site.file, p.first->site.line, p.first->number);
  if (m.alive < m.num_threads)
    text += fmt::format(" [{} have left the kernel]", m.num_threads - m.alive);
  throw Failure("deadlock", text);
}

void run_block(Machine& m, dim3 grid, dim3 block, std::uint64_t index) {
  prepare_block(m, grid, block, index);
  shared_memory_begins();
  // One more than there are: what goes on beside them.
  access_check::block_begins(m.num_threads + 1, static_cast<std::uint32_t>(index));
  while (Thread* const thread = pick(m)) {
    m.running = thread;
    threadIdx = thread->index;
    blockIdx = m.block;
    access_check::runs(static_cast<int>(thread->number), &thread->fiber);
    thread->fiber.resume();
    access_check::runs(-1, nullptr);
    m.running = nullptr;
    if (m.failure) break;
  }
  access_check::block_ends();
  if (m.failure || m.alive > 0)
    for (unsigned t = 0; t < m.num_threads; ++t) m.threads[t].fiber.abandon();
  if (m.failure) throw Failure(*m.failure);
  if (m.alive > 0) report_deadlock(m);
  if (!m.jobs.empty())
    throw Failure("tensor-copy",
                  fmt::format("[tensor-copy] {}: the block ended while {} tensor copies were on "
                              "their way",
                              m.kernel, m.jobs.size()));
  check_products_finished();
  shared_memory_ends();
}

// The order of the blocks of a grid, which CUDA leaves open.
std::vector<std::uint32_t> block_order(std::uint64_t count) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  if (options().schedule == Schedule::kReverse) std::reverse(order.begin(), order.end());
  if (options().schedule == Schedule::kRandom)
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[machine().random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

}  // namespace

constinit Machine the_machine;

Options& options() {
  static Options o = options_from_environment();
  return o;
}

Thread* current_thread() { return machine().running; }
int current_lane() { return machine().running->lane; }
unsigned num_threads_in_block() { return machine().num_threads; }

void fail_with(const char* kind, const std::string& text) {
  Machine& m = machine();
  if (!m.running) throw Failure(kind, fmt::format("[{}] {}", kind, text));
  const uint3 t = m.running->index, b = m.block;
  m.failure.emplace(kind, fmt::format("[{}] {} ({}, block {},{},{} thread {},{},{})", kind, text,
                                      m.kernel, b.x, b.y, b.z, t.x, t.y, t.z));
  Fiber::suspend();  // for good: the block is abandoned
  std::abort();
}

void make_ready(Thread& thread) {
  thread.state = State::kReady;
  machine().ready.push_back(&thread);
}

void wait(State state, const char* what, Site site) {
  Thread& self = *machine().running;
  self.state = state;
  self.waits_in = what;
  self.site = site;
  Fiber::suspend();
}

void maybe_yield() {
  Machine& m = machine();
  if (options().schedule != Schedule::kRandom || !m.running || m.random.below(8) != 0) return;
  make_ready(*m.running);
  Fiber::suspend();
}

std::size_t dynamic_shared_bytes() { return machine().shared_bytes; }

void run_grid(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes,
              void (*body)(const void*), const void* arguments, std::size_t arguments_bytes) {
  static std::mutex one_launch_at_a_time;
  const std::scoped_lock lock(one_launch_at_a_time);
  const MemoryOpen open;
  Machine& m = machine();
  const std::uint64_t per_block = std::uint64_t{block.x} * block.y * block.z;
  if (per_block == 0 || per_block > kMaxThreads || block.z > 64)
    fail("launch", "{}: a block of {}x{}x{} threads; 1 to {} are allowed", name, block.x, block.y,
         block.z, kMaxThreads);
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    fail("launch", "{}: a grid of {}x{}x{} blocks is outside the device's limits", name, grid.x,
         grid.y, grid.z);
  m.kernel = name;
  m.body = body;
  m.arguments = arguments;
  m.shared_bytes = shared_bytes;
  m.num_threads = static_cast<unsigned>(per_block);
  m.threads.resize(std::max<std::size_t>(m.threads.size(), per_block));
  m.failure.reset();
  m.random.state = (options().seed + 1) * 0x9E3779B97F4A7C15ull;
  blockDim = block;
  gridDim = grid;
  access_check::launch_begins(arguments, arguments_bytes);
  for (const std::uint32_t index : block_order(std::uint64_t{grid.x} * grid.y * grid.z))
    run_block(m, grid, block, index);
  check_device_guards(name);
}

}  // namespace ktrain::emulation
