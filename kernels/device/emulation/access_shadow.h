// What the access check remembers of a piece of memory: by 4-byte word the last accesses, and which
// bytes were ever written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/device/emulation/access_check.h"

namespace ktrain::emulation::access_check {

struct Access {
  std::uint32_t block, time;
  std::uint16_t thread;
  std::uint8_t bytes;  // of the word, one bit each
  std::uint8_t kind;   // Kind, 0 for none
  bool by_proxy;       // through the async proxy
  std::uint64_t place;
};

struct Word {
  std::array<Access, 4> last;
  std::uint32_t turn;
};

// Memory for `bytes` of a piece, zero and paid for when touched.
class Shadow {
 public:
  explicit Shadow(std::size_t bytes);
  Shadow(Shadow&& other) noexcept;
  Shadow& operator=(Shadow&& other) noexcept;
  ~Shadow();

  [[nodiscard]] Word& word(std::size_t offset) { return words_[offset / 4]; }
  // One bit per byte of the word: was it written?
  [[nodiscard]] std::uint8_t& written(std::size_t offset) { return written_[offset / 4]; }
  void set_written(std::size_t offset, std::size_t bytes, bool value);
  void forget_accesses();

 private:
  std::size_t num_words_;
  Word* words_;
  std::uint8_t* written_;
};

}  // namespace ktrain::emulation::access_check
