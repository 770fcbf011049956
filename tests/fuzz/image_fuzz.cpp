// Any bytes as an image: pixels as the header says, or a Fault.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "data/image_io.h"
#include "runtime/fault.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ktrain::ImageLimits limits;
  limits.max_pixels = 1 << 20;
  limits.verify_checksums = false;  // else nothing but a good PNG reaches the decoder
  try {
    const ktrain::Image image = ktrain::decode_image({"input", {data, size}}, limits);
    if (image.rgb.size() != image.num_bytes()) std::abort();
  } catch (const ktrain::Fault&) {
  }
  return 0;
}
