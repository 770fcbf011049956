// A window of sketches: blocks of `size` numbers, the finished ones in bfloat16, one behind the
// other with the oldest first, the newest in float. `finished` has room for a whole number of
// blocks, its places.
//   push_block:  finished[held] = newest; where all places are held, the oldest block makes room
//   join_blocks: finished[b] = block[2b] + block[2b+1], the blocks being all places and `newest`
//                behind them; what lay behind the joined ones stays
// An odd number of places for join_blocks. Sums are taken in float, a number is rounded once
// (kernels/bfloat16.h). Each element by itself; nothing else is written. No element: nothing
// happens. Wrong sizes throw Error.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

void push_block(Span<const float> newest, Span<Bfloat16> finished, std::int64_t held);
void join_blocks(Span<const float> newest, Span<Bfloat16> finished);

}  // namespace cpu

namespace cuda {

void push_block(CudaStream stream, Span<const float> newest, Span<Bfloat16> finished,
                std::int64_t held);
void join_blocks(CudaStream stream, Span<const float> newest, Span<Bfloat16> finished);

}  // namespace cuda
}  // namespace ktrain
