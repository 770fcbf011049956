#include "kernels/device/emulation/memory.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <sys/mman.h>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/machine.h"
#include "kernels/device/emulation/memory_lock.h"
#include "kernels/device/emulation/sanitizers.h"

namespace ktrain::emulation {
namespace {

constexpr std::size_t kSharedLimit = 48 << 10;  // what a kernel may declare
constexpr std::size_t kWindow = 256 << 10;
constexpr std::size_t kDynamicAlignment = 1024;
constexpr std::size_t kGuard = 256;
constexpr unsigned char kGuardByte = 0xA5;

struct SharedArray {
  const void* key;
  char* data;
  std::size_t bytes;
  Site site;
};

// The shared memory of the running block.
struct Window {
  alignas(kDynamicAlignment) std::array<char, kWindow> memory;
  std::size_t used = 0;   // of memory, guards included
  std::size_t bytes = 0;  // asked for
  std::vector<SharedArray> arrays;
};
Window& window() {
  static auto* const w = new Window;
  return *w;
}

// An allocation's bytes stand between two guards of kGuard bytes.
struct Allocation {
  char* data;
  std::size_t bytes;
  std::size_t mapped;  // bytes from the first guard on, when they are pages of their own; else 0
};
std::vector<Allocation>& allocations() {  // by address
  static auto* const list = new std::vector<Allocation>;
  return *list;
}

void make_guard(char* p, std::size_t bytes) {
  std::memset(p, kGuardByte, bytes);
  forbid(p, bytes);
}

bool guard_is_whole(const char* p, std::size_t bytes) {
#if KT_EMULATION_ASAN
  (void)p, (void)bytes;
  return true;  // a write would have ended the program
#else
  return std::all_of(p, p + bytes,
                     [](char c) { return static_cast<unsigned char>(c) == kGuardByte; });
#endif
}

// The allocation that starts at or before p, nullptr when there is none.
Allocation* allocation_before(const void* p) {
  auto& list = allocations();
  const auto after =
      std::upper_bound(list.begin(), list.end(), static_cast<const char*>(p),
                       [](const char* address, const Allocation& a) { return address < a.data; });
  return after == list.begin() ? nullptr : &*(after - 1);
}

}  // namespace

void shared_memory_begins() {
  Window& w = window();
  w.arrays.clear();
  w.bytes = 0;
  w.used = kGuard;
  allow(w.memory.data(), w.memory.size());
  make_guard(w.memory.data(), kGuard);
  access_check::shared_window(w.memory.data(), w.memory.size());
}

void shared_memory_ends() {
  const Window& w = window();
  bool whole = guard_is_whole(w.memory.data(), kGuard);
  for (const SharedArray& a : w.arrays) {
    const std::size_t end = (a.bytes + 15) / 16 * 16 - a.bytes + kGuard;
    whole = whole && guard_is_whole(a.data + a.bytes, end);
    if (!whole)
      fail("shared-guard", "a write outside the shared array of {}:{}, {} bytes long", a.site.file,
           a.site.line, a.bytes);
  }
}

namespace {

// A new array at a multiple of `alignment`, with a guard behind it.
void* take_shared(const void* key, std::size_t bytes, std::size_t alignment, Site site) {
  Window& w = window();
  const std::size_t begin = (w.used + alignment - 1) / alignment * alignment;
  const std::size_t end = (bytes + 15) / 16 * 16 - bytes + kGuard;
  if (begin + bytes + end > kWindow)
    fail("shared-limit", "more shared memory than the emulation's window holds");
  char* const data = w.memory.data() + begin;
  forbid(w.memory.data() + w.used, begin - w.used);
  w.used = begin + bytes + end;
  std::memset(data, 0xFF, bytes);
  make_guard(data + bytes, end);
  w.arrays.push_back({key, data, bytes, site});
  access_check::shared_array(data, bytes, site);
  return data;
}

}  // namespace

void* shared_memory(const void* key, std::size_t bytes, Site site) {
  Window& w = window();
  for (const SharedArray& a : w.arrays)
    if (a.key == key) return a.data;
  w.bytes += bytes;
  if (w.bytes > kSharedLimit)
    fail("shared-limit", "{} bytes of shared memory at {}:{}; {} are allowed", w.bytes, site.file,
         site.line, kSharedLimit);
  return take_shared(key, bytes, 1, site);
}

void* dynamic_shared_memory(std::size_t bytes, Site site) {
  static const char key = 0;
  for (const SharedArray& a : window().arrays)
    if (a.key == &key) return a.data;
  if (bytes == 0)
    fail("shared-limit",
         "the kernel was started without dynamic shared memory, which it takes at {}:{}", site.file,
         site.line);
  return take_shared(&key, bytes, kDynamicAlignment, site);
}

std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(static_cast<const char*>(p) - window().memory.data());
}

void* at_shared_address(std::uint32_t address) {
  if (address >= kWindow) fail("shared-bounds", "address {:#x} is not in shared memory", address);
  return window().memory.data() + address;
}

bool is_shared_memory(const void* p, std::size_t bytes) {
  const auto& arrays = window().arrays;
  const char* const at = static_cast<const char*>(p);
  return std::any_of(arrays.begin(), arrays.end(), [&](const SharedArray& a) {
    return at >= a.data && at + bytes <= a.data + a.bytes;
  });
}

namespace {

constexpr std::size_t kSmallestLocked = 64 << 10;

bool locks() {
  static const char* const wanted = std::getenv("KT_EMULATION_LOCK");
  return wanted && *wanted == '1';
}

int open_scopes = 0;

void set_access(int access) {
  for (const Allocation& a : allocations())
    if (a.mapped > 0) mprotect(a.data - kGuard, a.mapped, access);
}

constexpr std::size_t kHugePage = 2 << 20;

// Pages of their own. What holds a huge page begins with one, and is made of them where there are
// any: locking takes time by the page.
char* map_pages(std::size_t bytes) {
  const std::size_t spare = bytes < kHugePage ? 0 : kHugePage;
  void* const found =
      mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) return nullptr;
  char* pages = static_cast<char*>(found);
  if (spare == 0) return pages;
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(pages)) % kHugePage;
  if (before > 0) munmap(pages, before);
  pages += before;
  if (before < spare) munmap(pages + bytes, spare - before);
  madvise(pages, bytes, MADV_HUGEPAGE);  // where the kernel has none, locking is slower
  return pages;
}

// Of pages of its own, or of the heap.
char* take_memory(std::size_t bytes, std::size_t& mapped) {
  mapped = 0;
  if (!locks() || bytes < kSmallestLocked)
    return static_cast<char*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  const std::size_t page = bytes < kHugePage ? 4096 : kHugePage;
  mapped = (bytes + page - 1) / page * page;
  char* const pages = map_pages(mapped);
  if (!pages) mapped = 0;
  return pages;
}

}  // namespace

MemoryOpen::MemoryOpen() {
  if (open_scopes++ == 0 && locks()) set_access(PROT_READ | PROT_WRITE);
}
MemoryOpen::~MemoryOpen() {
  if (--open_scopes == 0 && locks()) set_access(PROT_NONE);
}

void* device_allocate(std::size_t bytes) {
  const MemoryOpen open;
  const std::size_t padded = (bytes + 15) / 16 * 16;
  std::size_t mapped = 0;
  char* const base = take_memory(padded + 2 * kGuard, mapped);
  if (!base) return nullptr;
  char* const data = base + kGuard;
  std::memset(data, 0xFF, bytes);
  make_guard(base, kGuard);
  make_guard(data + bytes, padded - bytes + kGuard);
  auto& list = allocations();
  const Allocation* const before = allocation_before(data);
  list.insert(before ? list.begin() + (before - list.data()) + 1 : list.begin(),
              {data, bytes, mapped});
  access_check::allocated(data, bytes, kGuard);
  return data;
}

void device_free(void* p) {
  if (!p) return;
  const MemoryOpen open;
  Allocation* const a = allocation_before(p);
  if (!a || a->data != p) fail("device-pointer", "cudaFree of what is not a device allocation");
  access_check::freed(p);
  char* const base = a->data - kGuard;
  const std::size_t bytes = a->bytes, mapped = a->mapped;
  const bool whole = guard_is_whole(base, kGuard) && guard_is_whole(a->data + bytes, kGuard);
  allocations().erase(allocations().begin() + (a - allocations().data()));
  allow(base, kGuard);
  allow(base + kGuard + bytes, (bytes + 15) / 16 * 16 - bytes + kGuard);
  if (mapped > 0)
    munmap(base, mapped);
  else
    std::free(base);
  if (!whole) fail("device-guard", "a write outside an allocation of {} bytes", bytes);
}

bool is_device_memory(const void* p, std::size_t bytes) {
  const Allocation* const a = allocation_before(p);
  return a && static_cast<const char*>(p) + bytes <= a->data + a->bytes;
}

void check_kernel_pointer(const char* kernel, const void* p) {
  if (p && !is_device_memory(p, 0))
    fail("device-pointer", "{} is called with a pointer that is not device memory", kernel);
}

void check_device_guards(const char* kernel) {
  for (const Allocation& a : allocations())
    if (!guard_is_whole(a.data - kGuard, kGuard) || !guard_is_whole(a.data + a.bytes, kGuard)) {
      std::memset(a.data - kGuard, kGuardByte, kGuard);  // one report for one fault
      std::memset(a.data + a.bytes, kGuardByte, kGuard);
      fail("device-guard", "{} wrote outside an allocation of {} bytes", kernel, a.bytes);
    }
}

}  // namespace ktrain::emulation
