#include "kernels/convert_list.h"

#include "kernels/checks/convert_list.h"
#include "kernels/elementwise.h"

namespace ktrain::cpu {

void convert_list(std::span<const Conversion> list) {
  for (const Conversion& one : list) {
    check_conversion(one);
    convert(one.x, one.y);
  }
}

}  // namespace ktrain::cpu
