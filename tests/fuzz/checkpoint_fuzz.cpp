// Any bytes as a checkpoint on a disk: arrays that lie within the file, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kernels/check.h"
#include "tests/support/simulated_disk.h"
#include "train/checkpoint_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ktrain::test::SimulatedDisk disk;
  disk.put("x.safetensors", std::string(reinterpret_cast<const char*>(data), size));
  try {
    const auto loaded = ktrain::read_weights_file(disk, "x.safetensors");
    std::size_t bytes = 0;
    for (const ktrain::NamedArray& array : loaded.arrays()) bytes += array.bytes.size();
    if (bytes > size) std::abort();
  } catch (const ktrain::Error&) {
  }
  try {
    if (!ktrain::read_checkpoint_file(disk, "x.safetensors").verified()) std::abort();
  } catch (const ktrain::Error&) {
  }
  return 0;
}
