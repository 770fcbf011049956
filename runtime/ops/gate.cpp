#include "kernels/gate.h"

#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor gate(const Tensor& z, const Tensor& a, const Tensor& b) {
  KT_CHECK(z.shape() == a.shape() && z.shape() == b.shape(), "gate: z is {}, a is {}, b is {}",
           z.shape().text(), a.shape().text(), b.shape().text());
  Tensor y = Tensor::empty_like(z);
  with_map_type(z, [&]<class T>(T) {
    KT_RUN(z.queue(), gate_forward, z.span<T>(), a.span<T>(), b.span<T>(), y.mutable_span<T>());
  });
  return record("gate", {z, a, b}, y,
                [z = z.detached(), a = a.detached(), b = b.detached()](const Tensor& dy,
                                                                       const Wanted& wanted) {
                  std::vector<Tensor> d(3);
                  with_map_type(dy, [&]<class T>(T) {
                    std::array<Span<T>, 3> out;
                    for (std::size_t i = 0; i < 3; ++i) {
                      if (!wanted[i]) continue;
                      d[i] = Tensor::empty_like(dy);
                      out[i] = d[i].mutable_span<T>();
                    }
                    KT_RUN(dy.queue(), gate_backward, z.span<T>(), a.span<T>(), b.span<T>(),
                           dy.span<T>(), out[0], out[1], out[2]);
                  });
                  return d;
                });
}

}  // namespace ktrain
