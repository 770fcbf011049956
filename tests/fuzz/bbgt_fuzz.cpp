// Any bytes as an annotation of this format: objects or a Fault.
#include <cstddef>
#include <cstdint>

#include "data/annotations.h"
#include "runtime/fault.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    (void)ktrain::parse_bbgt({"input", {reinterpret_cast<const char*>(data), size}});
  } catch (const ktrain::Fault&) {
  }
  return 0;
}
