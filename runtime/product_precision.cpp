#include "runtime/product_precision.h"

#include "kernels/check.h"

namespace ktrain {
namespace {

thread_local Precision current = Precision::kFloat;

}  // namespace

ProductPrecisionScope::ProductPrecisionScope(Precision precision) : before_(current) {
  KT_CHECK(precision != Precision::kBf16, "products: maps of float in bf16");
  current = precision;
}
ProductPrecisionScope::~ProductPrecisionScope() { current = before_; }

Precision product_precision() { return current; }

}  // namespace ktrain
