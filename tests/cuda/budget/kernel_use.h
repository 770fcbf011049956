// What a compiled CUDA kernel occupies on a multiprocessor, from the text that NVIDIA's tools
// print.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ktrain {

struct KernelUse {
  std::string symbol;        // as the linker knows it
  std::string architecture;  // "80", "90a"
  int registers = 0;         // per thread
  int shared = 0;            // bytes per block that the kernel declares
  int stack = 0;             // bytes per thread: local memory
  int spills = 0;            // bytes of spill stores and loads
};

// From `ptxas -v`, as nvcc -Xptxas -v writes it for any number of architectures. Lines of other
// kinds are passed over; functions that are no kernels count with the kernel that calls them.
[[nodiscard]] std::vector<KernelUse> parse_ptxas(std::string_view text);

// What `ptxas` says that it had to give up, a line each: "(C7511) Potential Performance Loss:
// wgmma.mma_async instructions are serialized due to ... in the function 'symbol'", with the
// kernel's name for its symbol.
[[nodiscard]] std::vector<std::string> parse_losses(std::string_view text);

// From `cuobjdump --dump-resource-usage` of an object, a library or a program.
[[nodiscard]] std::vector<KernelUse> parse_cuobjdump(std::string_view text);

// "adamw_kernel", "map_kernel<Clamp, float const*>": without namespaces of the project, result and
// parameters. A symbol that is no C++ name is returned as it is.
[[nodiscard]] std::string kernel_name(const std::string& symbol);

// Of every entry of a PTX file, by symbol: threads that a block may have (.maxntid; 0 where the
// file says nothing) and the text of its body.
struct PtxEntry {
  int threads = 0;
  std::string body;
};
[[nodiscard]] std::map<std::string, PtxEntry> parse_ptx(std::string_view text);

// Threads that fit on one multiprocessor, in blocks of `threads`, by registers, shared memory and
// the hardware's limits. 0 when `threads` is.
[[nodiscard]] int resident_threads(const KernelUse& use, int threads);
// The most threads that a multiprocessor of the architecture holds.
[[nodiscard]] int threads_limit(std::string_view architecture);

}  // namespace ktrain
