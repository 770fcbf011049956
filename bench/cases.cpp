#include "bench/cases.h"

namespace ktrain::bench {

const char* name(Precision precision) {
  switch (precision) {
    case Precision::kFloat:
      return "float";
    case Precision::kTf32:
      return "tf32";
    default:
      return "bf16";
  }
}

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

bool add_case(const std::string& family, const std::string& op, const std::string& shape,
              std::function<Job(const Lab&)> prepare) {
  cases().push_back({family, op, shape, std::move(prepare)});
  return true;
}

}  // namespace ktrain::bench
