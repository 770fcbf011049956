// Any bytes as a safetensors file: a header whose ranges lie within the file, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "kernels/check.h"
#include "train/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto header = ktrain::parse_safetensors(bytes, size);
    for (const auto& [spec, begin, end] : header.entries)
      if (begin > end || header.header_end + end > size || spec.bytes() != end - begin ||
          header.find(spec.name) == nullptr)
        std::abort();
  } catch (const ktrain::Error&) {
  }
  return 0;
}
