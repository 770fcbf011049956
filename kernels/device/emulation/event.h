// An event of the emulated run-time library.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

struct CUevent_st {
  std::chrono::steady_clock::time_point time;
  std::int64_t capture = 0;        // the number of the capture it was recorded in, 0: none
  std::vector<std::size_t> after;  // there: the nodes that it stands behind
};
