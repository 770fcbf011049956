// SHA-256 (FIPS 180-4): identifies data sets, plans and the contents of checkpoints.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ktrain {

// The digest of a run of bytes that arrive in pieces. Strings and numbers of unequal meaning can
// collide when simply strung together: write a length or a separator between fields.
class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  Sha256();
  void update(const void* data, std::size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  // The digest of everything so far; more may follow.
  [[nodiscard]] Digest digest() const;
  // The same as 64 lower-case hexadecimal digits.
  [[nodiscard]] std::string hex() const;

 private:
  void compress(const std::uint8_t* blocks, std::size_t count);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> partial_{};  // the bytes of the block that is not full yet
  std::size_t partial_size_ = 0;
  std::uint64_t total_bytes_ = 0;
};

[[nodiscard]] std::string hex(std::span<const std::uint8_t> bytes);
// Sha256 of one string, as hexadecimal digits.
[[nodiscard]] std::string sha256_hex(std::string_view text);

}  // namespace ktrain
