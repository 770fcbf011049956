#include "kernels/image_normalize.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor image_normalize(const Tensor& x, const Tensor& sizes, const ImageStatistics& statistics,
                       DType dtype) {
  Tensor y = Tensor::empty(x.context(), x.shape(), dtype);
  with_map_type(y, [&]<class T>(T) {
    KT_RUN(x.queue(), image_normalize, x.nhwc<std::uint8_t>(), sizes.rows<std::int32_t>(),
           y.mutable_nhwc<T>(), statistics);
  });
  return y;
}

}  // namespace ktrain
