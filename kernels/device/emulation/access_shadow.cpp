#include "kernels/device/emulation/access_shadow.h"

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

Shadow::Shadow(std::size_t bytes)
    : num_words_(bytes / 4 + 2),
      words_(static_cast<Word*>(map_zeros(num_words_ * sizeof(Word)))),
      written_(static_cast<std::uint8_t*>(map_zeros(num_words_))) {}

Shadow::Shadow(Shadow&& other) noexcept
    : num_words_(other.num_words_),
      words_(std::exchange(other.words_, nullptr)),
      written_(std::exchange(other.written_, nullptr)) {}

Shadow& Shadow::operator=(Shadow&& other) noexcept {
  std::swap(num_words_, other.num_words_);
  std::swap(words_, other.words_);
  std::swap(written_, other.written_);
  return *this;
}

Shadow::~Shadow() {
  if (words_) munmap(words_, num_words_ * sizeof(Word));
  if (written_) munmap(written_, num_words_);
}

void Shadow::set_written(std::size_t offset, std::size_t bytes, bool value) {
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    const auto bit = static_cast<std::uint8_t>(1u << (i & 3));
    std::uint8_t& mask = written_[i / 4];
    mask = static_cast<std::uint8_t>(value ? mask | bit : mask & ~bit);
  }
}

// Pages that are given back read as zeros.
void Shadow::forget_accesses() { madvise(words_, num_words_ * sizeof(Word), MADV_DONTNEED); }

}  // namespace ktrain::emulation::access_check
