// Tensor copies (TMA) of boxes of global memory to shared memory, in the swizzle of 128 bytes, and
// the maps that describe them, as the PTX ISA has them ("Tensors": tiled mode, im2col mode,
// swizzling modes).
//
// From its start on a copy's destination is nobody's: it holds poison, and the access check calls
// it unwritten. The bytes arrive at a moment of the emulation's choice, as late as can be or, in
// the random schedule, in any order, as writes of nobody's thread; then the barrier counts them.
// Failure "tensor-copy" for what the driver or the instruction refuses.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/device/emulation/types.h"
#include "kernels/device/tensor_map.h"

namespace ktrain::emulation {

[[nodiscard]] TensorMap encode(const TileMap& tiles);
[[nodiscard]] TensorMap encode(const WindowMap& windows);

// The box that starts at these elements, the innermost first; outside is zeros.
void copy_tile(void* shared, const TensorMap& map, std::uint64_t* barrier,
               std::array<int, 3> coordinates, Site site);
// 64 channels from `channel` on of windows from that at (col, row) of image `image` on.
struct WindowPlace {
  int channel, col, row, image;
  unsigned col_offset, row_offset;  // 0 to 255
};
void copy_windows(void* shared, const TensorMap& map, std::uint64_t* barrier,
                  const WindowPlace& place, Site site);

// Where a byte of a box stands in shared memory, addresses as instructions hold them.
[[nodiscard]] constexpr std::uint32_t swizzled_128(std::uint32_t address) {
  return address ^ (address >> 3 & 0x70u);
}

}  // namespace ktrain::emulation
