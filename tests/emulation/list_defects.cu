// Arrays of several sizes in one launch (kernels/device/array_list.cuh), dealt out wrongly: tensors
// of a model that get into each other.
#include <vector>

#include "kernels/device/array_list.cuh"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

enum class Bug { kNone, kChunkOfAnother, kPlaceOfAnother, kPastTheEnd };

constexpr int kThreads = 32;
constexpr std::int64_t kFirst = 40, kSecond = 24;  // two chunks, and one
using List = cuda::ArrayList<2, 4>;

__global__ void copy_lists(const __grid_constant__ List list) {
  cuda::for_element<kThreads>(
      list, [&](int entry, std::int64_t i) { list.data[1][entry][i] = list.data[0][entry][i]; });
}

template <Bug kBug>
bool lists() {
  DefectBench b;
  const DeviceView<float> y(b.stream.get(), std::vector<float>(kFirst + kSecond, 0.0f));
  List list{};
  list.add(kFirst, kThreads, 0, {b.dx.data(), y.data()});
  list.add(kSecond, kThreads, 0, {b.dx.data() + kFirst, y.data() + kFirst});
  if (kBug == Bug::kChunkOfAnother) list.first[1] = 1;
  if (kBug == Bug::kPlaceOfAnother) list.data[1][1] = y.data();
  if (kBug == Bug::kPastTheEnd) list.size[1] = kSecond + 1;
  b.run(copy_lists, list.chunks(), kThreads, list);
  return y.to_host(b.stream.get()) ==
         b.picked(static_cast<int>(kFirst + kSecond), [](int i) { return i; });
}

}  // namespace

bool arrays_of_a_list() { return lists<Bug::kNone>(); }

std::vector<Defect> list_defects() {
  return {{"chunk of one array taken for another's",
           {'W', 'W', 'W', 'W'},
           "",
           lists<Bug::kChunkOfAnother>},
          {"one array of a list over another",
           {'W', 'W', 'W', 'E'},
           "race",
           lists<Bug::kPlaceOfAnother>},
          {"array of a list past its end",
           {'E', 'E', 'S', 'E'},
           "device allocation of 256 bytes",
           lists<Bug::kPastTheEnd>}};
}

}  // namespace ktrain::test
