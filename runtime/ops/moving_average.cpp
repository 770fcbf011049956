#include "kernels/elementwise.h"
#include "runtime/ops_alignment.h"

namespace ktrain {
namespace {

void check_same(const char* op, const Tensor& y, const Tensor& x) {
  KT_CHECK(x.shape() == y.shape(), "{}: x is {}, y is {}", op, x.shape().text(), y.shape().text());
}

}  // namespace

void copy_into(Tensor& y, const Tensor& x) {
  check_same("copy_into", y, x);
  KT_RUN(y.queue(), copy, x.span<float>(), y.mutable_span<float>());
}

void blend_into(Tensor& y, const Tensor& x, double keep) {
  check_same("blend_into", y, x);
  KT_RUN(y.queue(), blend, x.span<float>(), y.mutable_span<float>(), keep);
}

}  // namespace ktrain
