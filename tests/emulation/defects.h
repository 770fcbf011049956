// Deliberately broken kernels: what the emulation and its checkers must notice.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ktrain::test {

// How a defect shows in one flavour of the emulation:
//   E   the emulation's own Failure, or an Error of a call
//   S   AddressSanitizer or UndefinedBehaviorSanitizer
//   W   nobody complains, and the result is wrong
//   .   nothing, and the result is right: as it may well be on a GPU, on a good day
// `asan` and `check` run in the fifo order; `random` is the plain flavour with seeds 1 to 8, the
// best of them.
struct Expected {
  char fifo, random, asan, check;
};

struct Defect {
  std::string name;
  Expected expected;
  // What the report of the check flavour holds where that notices the defect, and that of the asan
  // flavour elsewhere: alternatives between bars; empty where no report is made.
  std::string word;
  std::function<bool()> run;  // true: the result is right
  bool strict_exit = false;
};

[[nodiscard]] std::vector<Defect> all_defects();

// By group, in files of their own.
std::vector<Defect> order_defects();        // barriers, warps, atomics, blocks
std::vector<Defect> memory_defects();       // bounds, initial values, host memory
std::vector<Defect> launch_defects();       // launches, arithmetic, calls
std::vector<Defect> tensor_core_defects();  // asynchronous copies and matrix instructions
std::vector<Defect> stripped_ops();         // the project's own kernels without their barriers
std::vector<Defect> stripped_products();    // more of them: products and convolutions
std::vector<Defect> stripped_maps();        // more of them: on maps, images and random numbers
std::vector<Defect> warpgroup_defects();    // tensor copies and a warpgroup's multiplications
std::vector<Defect> product_defects();      // products of one launch
std::vector<Defect> side_sums_defects();    // sums of an operand's rows beside its product
bool sums_of_sides();                       // without a defect: right?
std::vector<Defect> list_defects();         // arrays of one launch
bool group_of_products();                   // without a defect: right?
bool arrays_of_a_list();                    // without a defect: right?
bool warpgroup_product();                   // without a defect: right?
bool tensor_core_product();                 // without a defect: right, and without bank conflicts?
// The repaired kernels: nothing may be noticed and the result must be right.
std::vector<Defect> clean_kernels();

}  // namespace ktrain::test
