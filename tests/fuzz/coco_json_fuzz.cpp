// Any bytes as a COCO file: images or a Fault.
#include <cstddef>
#include <cstdint>

#include "data/coco_json.h"
#include "runtime/fault.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    (void)ktrain::parse_coco({"input", {reinterpret_cast<const char*>(data), size}});
  } catch (const ktrain::Fault&) {
  }
  return 0;
}
