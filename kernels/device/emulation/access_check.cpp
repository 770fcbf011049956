#include "kernels/device/emulation/access_check.h"

#if KT_EMULATION_CHECK

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <unistd.h>

#include "kernels/device/emulation/access_clock.h"
#include "kernels/device/emulation/access_hooks.h"
#include "kernels/device/emulation/access_shadow.h"
#include "kernels/device/emulation/machine.h"

// Up to here from __executable_start constants and the built-in variables may be read by any
// thread.
extern "C" char end;

namespace ktrain::emulation::access_check {
namespace {

using Address = std::uintptr_t;
Address address(const void* p) { return reinterpret_cast<Address>(p); }

struct Piece {
  Address begin, end;
  std::size_t guard;
  Shadow shadow;
};

struct State {
  std::vector<Piece> device;  // by address
  std::size_t recent = 0;     // of these, the one that was touched last
  std::optional<Piece> window;
  struct Array {
    Address begin, end;
    Site site;
  };
  std::vector<Array> arrays;  // of the window, in the running block
  Clocks clocks;
  int thread = -1;
  const Fiber* fiber = nullptr;
  Address arguments = 0, arguments_end = 0;
  std::vector<Site> sites;  // of accesses that have no code address
  bool by_proxy = false;
  std::vector<std::uint32_t> fenced;  // when each thread last fenced its stores for the async proxy
  struct Range {
    Address begin, end;
  };
  std::vector<std::vector<Range>> busy;  // by thread
};
// Never destroyed: memory is freed at the end of the program.
State& state() {
  static State* s = nullptr;  // one thread at a time: without a guard
  if (!s) [[unlikely]]
    s = new State;
  return *s;
}

std::string run(const std::string& command) {
  std::string text;
  if (FILE* const pipe = popen(command.c_str(), "r")) {
    char line[512];
    if (std::fgets(line, sizeof line, pipe)) text = line;
    pclose(pipe);
  }
  while (!text.empty() && (text.back() == '\n')) text.pop_back();
  return text;
}

// "file:line" of an access, or its address in the program where addr2line is missing. Of a failure:
// as in fail(), nothing is watched from here on.
std::string where(Place place) {
  runs(-1, nullptr);
  if (place & kIsSite) {
    const Site site = state().sites[place & ~kIsSite];
    return fmt::format("{}:{}", site.file, site.line);
  }
  const Address offset = place - 1;
  char program[512];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  std::string text;
  if (length > 0)
    text = run(fmt::format("addr2line -e '{}' {:#x} 2>/dev/null",
                           std::string(program, static_cast<std::size_t>(length)), offset));
  text = text.substr(0, text.find(" (disc"));
  return text.empty() || text.starts_with("??") ? fmt::format("program + {:#x}", offset) : text;
}

const char* verb(Kind kind) {
  return kind == Kind::kRead ? "read" : kind == Kind::kWrite ? "write" : "atomic";
}

// "4 bytes at offset 12 of the shared array of x.cu:7"
std::string what(Address at, bool shared) {
  runs(-1, nullptr);
  State& s = state();
  if (shared) {
    for (const auto& a : s.arrays)
      if (at >= a.begin && at < a.end)
        return fmt::format("offset {} of the shared array of {}:{}", at - a.begin, a.site.file,
                           a.site.line);
    return "shared memory outside every array";
  }
  for (const Piece& p : s.device)
    if (at + p.guard >= p.begin && at < p.end + p.guard)
      return fmt::format("offset {} of a device allocation of {} bytes",
                         static_cast<std::int64_t>(at - p.begin), p.end - p.begin);
  return "memory";
}

[[noreturn]] void report_race(Address at, bool shared, const Access& old, const Access& now) {
  fail("race",
       "{}: {} at {} by block {} thread {}, and, unordered, {} at {} by block "
       "{} thread {}{}",
       what(at, shared), verb(old.kind), where(old.place), old.block, old.thread, verb(now.kind),
       where(now.place), now.block, now.thread,
       old.block != now.block               ? " (different blocks)"
       : old.thread / 32 == now.thread / 32 ? " (one warp)"
                                            : "");
}

// A store that the async proxy cannot see yet.
bool is_hidden(const Access& old, const Access& now) {
  const State& s = state();
  return s.by_proxy && !old.by_proxy && old.kind == Kind::kWrite && old.block == now.block &&
         old.thread + 1u < s.fenced.size() && old.time > s.fenced[old.thread];
}

// Compares one access with those that the word remembers and remembers it.
void remember(Word& word, Address at, bool shared, const Access& now) {
  const State& s = state();
  Access* slot = nullptr;
  for (Access& old : word.last) {
    if (old.kind == Kind::kNone || !(old.bytes & now.bytes)) {
      if (old.kind == Kind::kNone && !slot) slot = &old;
      continue;
    }
    const bool same = old.block == now.block && old.thread == now.thread;
    const bool ordered = same || s.clocks.before(old.block, old.thread, old.time, s.thread);
    const bool harmless = old.kind == now.kind && old.kind != Kind::kWrite;
    if (!ordered && !harmless) report_race(at, shared, old, now);
    if (shared && is_hidden(old, now))
      fail("async-proxy",
           "{}: {} at {} by thread {} without a fence for the async "
           "proxy, which touches it at {}",
           what(at, shared), verb(old.kind), where(old.place), old.thread, where(now.place));
    // Whatever races with the old access would race with the new one too: it may be forgotten.
    const bool covered = ordered && (old.bytes & ~now.bytes) == 0 &&
                         (now.kind == Kind::kWrite || old.kind == now.kind);
    if (!covered) continue;
    old.kind = Kind::kNone;
    if (!slot) slot = &old;
  }
  if (!slot) slot = &word.last[word.turn++ % word.last.size()];
  *slot = now;
}

void touch_piece(Piece& piece, bool shared, Address at, std::size_t bytes, Kind kind, Place place) {
  const State& s = state();
  Access now{s.clocks.block(),
             s.clocks.now(s.thread),
             static_cast<std::uint16_t>(s.thread),
             kWholeWord,
             kind,
             s.by_proxy,
             place};
  for (Address p = at; p < at + bytes;) {
    const Address word = p & ~Address{3}, next = std::min(word + 4, at + bytes);
    // The bytes from p to next.
    const unsigned mask = (kWholeWord << (p - word)) & (kWholeWord >> (word + 4 - next));
    const std::size_t offset = p - (piece.begin & ~Address{3});
    std::uint8_t& written = piece.shadow.written(offset);
    if (kind != Kind::kWrite && (written & mask) != mask)
      fail("uninitialised", "{} at {} of what nobody wrote: {}", verb(kind), where(place),
           what(p, shared));
    written = static_cast<std::uint8_t>(written | mask);
    now.bytes = mask & kWholeWord;
    remember(piece.shadow.word(offset), p, shared, now);
    p = next;
  }
}

Piece* device_piece(Address at) {
  State& s = state();
  auto& list = s.device;
  if (s.recent < list.size() && at >= list[s.recent].begin && at < list[s.recent].end)
    return &list[s.recent];
  auto after = std::upper_bound(list.begin(), list.end(), at,
                                [](Address a, const Piece& p) { return a < p.begin - p.guard; });
  if (after == list.begin()) return nullptr;
  --after;
  s.recent = static_cast<std::size_t>(after - list.begin());
  return at < after->end + after->guard ? &*after : nullptr;
}

void check_shared(Address at, std::size_t bytes, Kind kind, Place place) {
  State& s = state();
  for (const auto& a : s.arrays)
    if (at >= a.begin && at + bytes <= a.end)
      return touch_piece(*s.window, true, at, bytes, kind, place);
  fail("shared-bounds", "{} of {} bytes at {} outside every shared array", verb(kind), bytes,
       where(place));
}

void check_registers(Address at, std::size_t bytes, Place place) {
  const State& s = state();
  for (const State::Range& r : s.busy[static_cast<std::size_t>(s.thread)])
    if (at < r.end && at + bytes > r.begin)
      fail("busy-registers",
           "sums touched at {} while instructions that nobody waited for write to them",
           where(place));
}

void check_access(const void* p, std::size_t bytes, Kind kind, Place place);

}  // namespace

// What stands for the async proxy has no code of its own: the emulation's is not watched.
void access(const void* p, std::size_t bytes, Kind kind, Place place) {
  if (state().thread >= 0 && state().fiber) check_access(p, bytes, kind, place);
}

namespace {

void check_access(const void* p, std::size_t bytes, Kind kind, Place place) {
  State& s = state();
  const Address at = address(p);
  if (s.fiber && s.fiber->owns(p)) return check_registers(at, bytes, place);
  if (at >= s.window->begin && at < s.window->end) return check_shared(at, bytes, kind, place);
  if (Piece* const piece = device_piece(at)) {
    if (at >= piece->begin && at + bytes <= piece->end)
      return touch_piece(*piece, false, at, bytes, kind, place);
    fail("device-bounds", "{} of {} bytes at {}: {}", verb(kind), bytes, where(place),
         what(at, false));
  }
  const bool argument = at >= s.arguments && at < s.arguments_end;
  const bool image = at >= address(&__executable_start) && at < address(&end);
  if (!argument && !image)
    fail("host-memory",
         "{} of {} bytes at {}: memory of the host, or device memory that "
         "was freed",
         verb(kind), bytes, where(place));
}

}  // namespace

void allocated(const void* p, std::size_t bytes, std::size_t guard) {
  auto& list = state().device;
  const Address at = address(p);
  const auto after = std::upper_bound(
      list.begin(), list.end(), at, [](Address a, const Piece& piece) { return a < piece.begin; });
  list.insert(after, Piece{at, at + bytes, guard, Shadow(bytes)});
}

void freed(const void* p) {
  std::erase_if(state().device, [&](const Piece& piece) { return piece.begin == address(p); });
}

void host_wrote(const void* p, std::size_t bytes) {
  if (Piece* const piece = device_piece(address(p)))
    piece->shadow.set_written(address(p) - piece->begin, bytes, true);
}

void launch_begins(const void* arguments, std::size_t bytes) {
  State& s = state();
  s.arguments = address(arguments);
  s.arguments_end = s.arguments + bytes;
  for (Piece& piece : s.device) piece.shadow.forget_accesses();
  s.clocks.launch_begins();
}

void block_begins(unsigned num_threads, std::uint32_t index) {
  State& s = state();
  s.clocks.block_begins(num_threads, index);
  s.fenced.assign(num_threads, 0);
  s.busy.assign(num_threads, {});
}

void block_ends() { state().thread = -1; }

void shared_window(const void* p, std::size_t bytes) {
  State& s = state();
  if (!s.window) s.window.emplace(Piece{address(p), address(p) + bytes, 0, Shadow(bytes)});
  s.window->shadow.forget_accesses();
  s.arrays.clear();
}

void shared_array(const void* p, std::size_t bytes, Site site) {
  State& s = state();
  s.arrays.push_back({address(p), address(p) + bytes, site});
  s.window->shadow.set_written(address(p) - s.window->begin, bytes, false);
}

void runs(int thread, const Fiber* fiber) {
  state().thread = thread;
  state().fiber = fiber;
}

void release(const void* clock, bool global) {
  if (state().thread >= 0) state().clocks.release(state().thread, clock, global);
}

void acquire(const void* clock) {
  if (state().thread >= 0) state().clocks.acquire(state().thread, clock);
}

void touched(const void* p, std::size_t bytes, Kind kind, Site site) {
  if (state().thread < 0) return;
  auto& sites = state().sites;
  auto found = std::find(sites.begin(), sites.end(), site);
  if (found == sites.end()) found = sites.insert(sites.end(), site);
  check_access(p, bytes, kind, kIsSite | static_cast<Place>(found - sites.begin()));
}

void touched_by_proxy(const void* p, std::size_t bytes, Kind kind, Site site) {
  state().by_proxy = true;
  touched(p, bytes, kind, site);
  state().by_proxy = false;
}

void fence_proxy() {
  State& s = state();
  if (s.thread < 0) return;
  s.fenced[static_cast<std::size_t>(s.thread)] = s.clocks.now(s.thread);
  s.clocks.release(s.thread, &s.fenced, false);  // later stores are later
}

void busy(unsigned thread, const void* p, std::size_t bytes) {
  state().busy[thread].push_back({address(p), address(p) + bytes});
}

void not_busy(unsigned thread, const void* p) {
  std::erase_if(state().busy[thread], [&](const State::Range& r) { return r.begin == address(p); });
}

void lost(const void* p, std::size_t bytes) {
  Piece& window = *state().window;
  window.shadow.set_written(address(p) - window.begin, bytes, false);
}

}  // namespace ktrain::emulation::access_check

#endif  // KT_EMULATION_CHECK
