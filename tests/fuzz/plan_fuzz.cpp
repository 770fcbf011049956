// Any bytes as a plan: a plan, or a Fault that names the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/fault.h"
#include "train/plan_load.h"
#include "train/plan_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const ktrain::ResolvedPlan resolved = ktrain::parse_plan(text, "p.cfg");
    // What was understood is written in a form that is understood as the same.
    const std::string echo = ktrain::canonical_text(resolved.plan);
    if (ktrain::canonical_text(ktrain::parse_plan(echo, "echo.cfg").plan) != echo) std::abort();
  } catch (const ktrain::Fault& fault) {
    const std::string what = fault.what();
    if (!fault.id().starts_with("KT-CFG-") || what.find("p.cfg") == std::string::npos) std::abort();
  }
  return 0;
}
