#include "kernels/device/emulation/access_shadow.h"

#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "kernels/check.h"

namespace ktrain::emulation::access_check {
namespace {

void* map_zeros(std::size_t bytes) {
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  KT_CHECK(p != MAP_FAILED, "access check: no address range for {} bytes", bytes);
  return p;
}

}  // namespace

Shadow::Shadow(std::size_t bytes, std::uint32_t first_round)
    : num_words_(bytes / 4 + 2),
      round_(first_round),
      words_(static_cast<Word*>(map_zeros(num_words_ * sizeof(Word)))),
      written_(static_cast<std::uint8_t*>(map_zeros(num_words_))) {}

Shadow::Shadow(Shadow&& other) noexcept
    : num_words_(other.num_words_),
      round_(other.round_),
      words_(std::exchange(other.words_, nullptr)),
      written_(std::exchange(other.written_, nullptr)) {}

Shadow& Shadow::operator=(Shadow&& other) noexcept {
  std::swap(num_words_, other.num_words_);
  std::swap(round_, other.round_);
  std::swap(words_, other.words_);
  std::swap(written_, other.written_);
  return *this;
}

Shadow::~Shadow() {
  if (words_) munmap(words_, num_words_ * sizeof(Word));
  if (written_) munmap(written_, num_words_);
}

void Shadow::set_written(std::size_t offset, std::size_t bytes, bool value) {
  const std::size_t end = offset + bytes;
  const auto set = [&](std::size_t i) {
    const auto bit = static_cast<std::uint8_t>(1u << (i & 3));
    std::uint8_t& mask = written_[i / 4];
    mask = static_cast<std::uint8_t>(value ? mask | bit : mask & ~bit);
  };
  std::size_t i = offset;
  for (; i < end && i % 4 != 0; ++i) set(i);
  const std::size_t words = (end - i) / 4;
  std::memset(written_ + i / 4, value ? kWholeWord : 0, words);
  for (i += words * 4; i < end; ++i) set(i);
}

// Once in 2^32 times words could be taken for those of a round long past: pages that are given back
// read as zeros.
void Shadow::forget_accesses() {
  if (++round_ != 0) return;
  madvise(words_, num_words_ * sizeof(Word), MADV_DONTNEED);
  round_ = 1;
}

}  // namespace ktrain::emulation::access_check
