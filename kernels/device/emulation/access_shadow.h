// What the access check remembers of a piece of memory: by 4-byte word the last accesses, and which
// bytes were ever written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/device/emulation/access_check.h"

namespace ktrain::emulation::access_check {

// Where an access stands: how far its code lies behind the program's first byte, or kIsSite and an
// index of sites.
using Place = std::uint32_t;
inline constexpr Place kIsSite = Place{1} << 31;

inline constexpr std::uint8_t kWholeWord = 0b1111;  // its bytes, one bit each

struct Access {
  std::uint32_t block, time;
  std::uint16_t thread;
  std::uint8_t bytes : 4;  // of the word, one bit each
  Kind kind : 3;           // kNone where there is no access
  bool by_proxy : 1;       // through the async proxy
  Place place;
};
static_assert(sizeof(Access) == 16);

struct Word {
  std::array<Access, 4> last;
  std::uint32_t round, turn;
};

// Memory for `bytes` of a piece, zero and paid for when touched.
class Shadow {
 public:
  explicit Shadow(std::size_t bytes, std::uint32_t first_round = 1);
  Shadow(Shadow&& other) noexcept;
  Shadow& operator=(Shadow&& other) noexcept;
  ~Shadow();

  // Without accesses when the last ones were before forget_accesses().
  [[nodiscard]] Word& word(std::size_t offset) {
    Word& word = words_[offset / 4];
    if (word.round != round_) word = {{}, round_, 0};
    return word;
  }
  // One bit per byte of the word: was it written?
  [[nodiscard]] std::uint8_t& written(std::size_t offset) { return written_[offset / 4]; }
  void set_written(std::size_t offset, std::size_t bytes, bool value);
  void forget_accesses();

 private:
  std::size_t num_words_;
  std::uint32_t round_;  // a word of another one has been forgotten; never 0, as in new memory
  Word* words_;
  std::uint8_t* written_;
};

}  // namespace ktrain::emulation::access_check
