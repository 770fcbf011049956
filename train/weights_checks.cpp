#include "train/weights_checks.h"

#include <cstdint>
#include <cstring>
#include <string_view>

#include "runtime/fault.h"

namespace ktrain {
namespace {

template <class Word>
Word word_at(std::span<const std::byte> bytes, std::size_t i) {
  Word word;
  std::memcpy(&word, bytes.data() + i * sizeof word, sizeof word);
  return word;
}

// The first element whose exponent is all ones, as NaN and infinity have it; the count when none.
template <class Word>
std::size_t first_non_finite(std::span<const std::byte> bytes, Word exponent) {
  const std::size_t count = bytes.size() / sizeof(Word);
  for (std::size_t i = 0; i < count; ++i)
    if ((word_at<Word>(bytes, i) & exponent) == exponent) return i;
  return count;
}

std::size_t first_non_finite(const NamedArray& array) {
  const auto bytes = array.bytes;
  switch (array.spec.type) {
    case ArrayType::kF64:
      return first_non_finite<std::uint64_t>(bytes, 0x7FF0000000000000u);
    case ArrayType::kF32:
      return first_non_finite<std::uint32_t>(bytes, 0x7F800000u);
    case ArrayType::kF16:
      return first_non_finite<std::uint16_t>(bytes, 0x7C00u);
    case ArrayType::kBF16:
      return first_non_finite<std::uint16_t>(bytes, 0x7F80u);
    default:
      return bytes.size() / element_bytes(array.spec.type);
  }
}

}  // namespace

void check_finite(std::span<const NamedArray> arrays) {
  for (const NamedArray& array : arrays) {
    const std::size_t at = first_non_finite(array);
    if (at < array.bytes.size() / element_bytes(array.spec.type))
      throw_fault("KT-NUM-020",
                  "'{}' ({}) is not finite at element {}; nothing was saved, the last durable "
                  "checkpoint stays",
                  printable(array.spec.name), array.spec.text(), at);
  }
}

std::string foreign_weights(std::span<const std::byte> first_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()),
                              first_bytes.size());
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06"))
    return "a zip archive (PyTorch .pt or .pth, or NumPy .npz)";
  // A pickle opens with PROTO and its version, 2 to 5; safetensors has a length there, whose eighth
  // byte is 0, and a '{' after it.
  if (text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5 &&
      !(text.size() > 8 && text[7] == '\0' && text[8] == '{'))
    return "a Python pickle (PyTorch .pth, legacy form)";
  if (text.size() >= 262 && text.substr(257, 5) == "ustar")
    return "a tar archive (PyTorch before 2017)";
  if (text.starts_with("\x89HDF\r\n")) return "an HDF5 file (Keras)";
  if (text.starts_with("\x1f\x8b")) return "a gzip file";
  if (text.starts_with("\x93NUMPY")) return "a NumPy array";
  if (text.starts_with("GGUF")) return "a GGUF file";
  if (text.starts_with("version https://git-lfs")) return "a Git LFS pointer, not the file itself";
  if (text.starts_with("<!DOCTYPE") || text.starts_with("<html")) return "a web page";
  return "";
}

}  // namespace ktrain
