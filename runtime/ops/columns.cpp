#include "kernels/columns.h"

#include "runtime/ops.h"

namespace ktrain {
namespace {

Rows<const float> matrix(const Tensor& x) {
  const Span<const float> flat = x.span<float>();
  return {flat.data, x.size(0), x.size(0) == 0 ? 0 : flat.size / x.size(0)};
}

Rows<float> mutable_matrix(Tensor& x) {
  const Span<float> flat = x.mutable_span<float>();
  return {flat.data, x.size(0), x.size(0) == 0 ? 0 : flat.size / x.size(0)};
}

}  // namespace

Tensor concat_columns(const std::vector<Tensor>& parts) {
  KT_CHECK(!parts.empty(), "concat_columns: no parts");
  std::int64_t columns = 0;
  for (const Tensor& part : parts) {
    KT_CHECK(part.shape().rank() >= 1 && part.size(0) == parts[0].size(0),
             "concat_columns: parts are {} and {}", parts[0].shape().text(), part.shape().text());
    columns += matrix(part).cols;
  }
  Tensor y = Tensor::empty(parts[0].context(), {parts[0].size(0), columns});
  std::vector<Shape> shapes;
  std::int64_t first = 0;
  for (const Tensor& part : parts) {
    KT_RUN(part.queue(), place_columns, matrix(part), mutable_matrix(y), first);
    first += matrix(part).cols;
    shapes.push_back(part.shape());
  }
  return record("concat_columns", parts, y, [shapes](const Tensor& dy, const Wanted& wanted) {
    std::vector<Tensor> results(shapes.size());
    std::int64_t from = 0;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const std::int64_t width = shapes[i][0] == 0 ? 0 : shapes[i].size() / shapes[i][0];
      if (wanted[i]) {
        results[i] = Tensor::empty(dy.context(), shapes[i]);
        KT_RUN(dy.queue(), take_columns, dy.rows<float>(), mutable_matrix(results[i]), from);
      }
      from += width;
    }
    return results;
  });
}

Tensor take_channels(const Tensor& x, std::int64_t first, std::int64_t count) {
  KT_CHECK(x.shape().rank() == 4 && first >= 0 && count >= 0 && first + count <= x.size(3),
           "take_channels: x is {}, wanted {} channels from {}", x.shape().text(), count, first);
  Tensor y = Tensor::empty(x.context(), {x.size(0), x.size(1), x.size(2), count});
  KT_RUN(x.queue(), take_columns, x.rows<float>(), y.mutable_rows<float>(), first);
  return record(
      "take_channels", {x}, y, [shape = x.shape(), first](const Tensor& dy, const Wanted&) {
        Tensor dx = Tensor::zeros(dy.context(), shape);
        KT_RUN(dy.queue(), place_columns, dy.rows<float>(), dx.mutable_rows<float>(), first);
        return std::vector{dx};
      });
}

}  // namespace ktrain
