// Loops over the CPU's threads. The split depends on the range alone, never on the thread count, so
// that a reduction kept per chunk and summed in chunk order gives the same bits on any machine
// width.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

namespace ktrain {

[[nodiscard]] constexpr std::int64_t num_chunks(std::int64_t size, std::int64_t grain) {
  return (size + grain - 1) / grain;
}

// Calls body(chunk, begin, end) for every chunk of `grain` indices of [0, size). An exception of a
// body is rethrown here, the first one wins. Chunks run in any order and at the same time.
template <class Body>
void parallel_chunks(std::int64_t size, std::int64_t grain, Body&& body) {
  const std::int64_t chunks = num_chunks(size, grain);
  if (chunks <= 1) {
    if (size > 0) body(std::int64_t{0}, std::int64_t{0}, size);
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    try {
      body(chunk, chunk * grain, std::min(size, (chunk + 1) * grain));
    } catch (...) {  // carried to the caller's thread: OpenMP would end the process
#pragma omp critical(ktrain_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

// Calls body(i) for i in [0, size), `grain` indices at a time.
template <class Body>
void parallel_for(std::int64_t size, std::int64_t grain, Body&& body) {
  parallel_chunks(size, grain, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i);
  });
}

// Threads that CPU kernels (ours and oneDNN's) use; 0 asks for every core this process may run on.
void set_num_threads(int threads);
[[nodiscard]] int num_threads();

}  // namespace ktrain
