#include "bench/rivals/products.h"

#include <cstring>

#include "bench/rivals/cublas.h"
#include "bench/rivals/cudnn.h"

namespace ktrain::bench {
namespace {

constexpr const char* kReduced = "rivals run at full scale alone";

// Normal numbers, their upper halves: bf16 by cutting off, which is all that a benchmark needs.
Array<std::uint16_t> halves(const Lab& lab, std::int64_t size, std::uint32_t sample) {
  const std::vector<float> values = lab.to_host(lab.normal(size, sample));
  std::vector<std::uint16_t> cut;
  for (const float value : values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    cut.push_back(static_cast<std::uint16_t>(bits >> 16));
  }
  return lab.copy(cut);
}

}  // namespace

std::vector<Rival> convolution_rivals(const Lab& lab, const ConvArrays& arrays, ConvPass pass,
                                      Precision precision) {
  if (!lab.cuda()) return {};
  const std::string called = std::string("cuDNN ") + name(precision);
  if (!lab.full_scale()) return {{called, {}, kReduced}};
  const CudnnProblem problem{.batch = arrays.x.batch,
                             .height = arrays.x.height,
                             .width = arrays.x.width,
                             .channels = arrays.x.channels,
                             .filters = arrays.w.filters,
                             .taps = arrays.w.rows,
                             .out_height = arrays.y.height,
                             .out_width = arrays.y.width,
                             .stride = arrays.options.stride,
                             .pad = arrays.options.pad,
                             .pass = pass,
                             .precision = precision};
  void* data[3] = {arrays.x.data, arrays.w.data, arrays.y.data};
  std::vector<Array<std::uint16_t>> own;
  if (precision == Precision::kBf16) {
    own = {halves(lab, arrays.x.size(), 1), halves(lab, arrays.w.size(), 2),
           halves(lab, arrays.y.size(), 3)};
    for (std::size_t i = 0; i < 3; ++i) data[i] = own[i].data();
  }
  CudnnRun run = prepare_cudnn(lab, problem, {data[0], data[1], data[2]});
  if (!run.reason.empty()) return {{called, {}, run.reason}};
  return {{called, [run, own] { run.run(); }, {}, !own.empty()}};
}

std::vector<Rival> product_rivals(const Lab& lab, const ProductArrays& arrays,
                                  Precision precision) {
  if (!lab.cuda()) return {};
  const std::string called = std::string("cuBLAS ") + name(precision);
  const std::string reason = lab.full_scale() ? cublas_reason() : kReduced;
  if (!reason.empty()) return {{called, {}, reason}};
  CublasProduct product{.a = arrays.a.data,
                        .b = arrays.b.data,
                        .c = arrays.c.data,
                        .rows = arrays.c.rows,
                        .cols = arrays.c.cols,
                        .depth = arrays.options.transpose_a ? arrays.a.rows : arrays.a.cols,
                        .transpose_a = arrays.options.transpose_a,
                        .transpose_b = arrays.options.transpose_b,
                        .precision = precision};
  std::vector<Array<std::uint16_t>> own;
  if (precision == Precision::kBf16) {
    own = {halves(lab, arrays.a.size(), 1), halves(lab, arrays.b.size(), 2),
           halves(lab, arrays.c.size(), 3)};
    product.a = own[0].data();
    product.b = own[1].data();
    product.c = own[2].data();
  }
  return {
      {called, [product, own, &lab] { cublas_multiply(lab.stream(), product); }, {}, !own.empty()}};
}

std::vector<std::string> rival_lines() { return {cublas_line(), cudnn_line()}; }

}  // namespace ktrain::bench
