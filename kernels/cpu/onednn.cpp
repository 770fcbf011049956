#include "kernels/cpu/onednn.h"

#include "kernels/check.h"

namespace ktrain::cpu::onednn {
namespace {

constexpr auto kFloat = dnnl::memory::data_type::f32;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;
constexpr std::int64_t kLineFloats = 16;

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

Desc desc(const Dims& dims, Tag tag) { return {dims, kFloat, tag}; }

Desc strided_desc(const Dims& dims, const Dims& strides) { return {dims, kFloat, strides}; }

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);
  return attr;
}

void append_relu(dnnl::post_ops& ops) {
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#else
  ops.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#endif
}

std::int64_t padded_floats(const Desc& desc) {
  const auto floats =
      static_cast<std::int64_t>((desc.get_size() + sizeof(float) - 1) / sizeof(float));
  return (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

Primitive::Primitive(const dnnl::primitive& primitive, const Arguments& arguments,
                     const Desc& scratchpad)
    : primitive_(primitive), scratch_floats_(padded_floats(scratchpad)) {
  const auto bind = [&](int argument, const Desc& what) {
    memories_.push_back(dnnl::memory(what, engine(), DNNL_MEMORY_NONE));
    bound_.push_back({argument, memories_.back().get()});
  };
  for (const auto& [argument, what] : arguments) bind(argument, what);
  bind(DNNL_ARG_SCRATCHPAD, scratchpad);
}

void Primitive::run(std::initializer_list<Buffer> buffers, float* scratch) const {
  static const dnnl::stream stream(engine());
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    const float* data = nullptr;
    for (const Buffer& buffer : buffers)
      if (buffer.argument == bound_[i].arg) data = buffer.data;
    if (bound_[i].arg == DNNL_ARG_SCRATCHPAD) data = scratch;
    memories_[i].set_data_handle(const_cast<float*>(data));
  }
  const dnnl_status_t status = dnnl_primitive_execute(
      primitive_.get(), stream.get(), static_cast<int>(bound_.size()), bound_.data());
  KT_CHECK(status == dnnl_success, "oneDNN: a primitive failed with status {}",
           static_cast<int>(status));
}

std::unique_ptr<Primitive> make_reorder(const Desc& from, const Desc& to) {
  const dnnl::reorder::primitive_desc pd(engine(), from, engine(), to, attributes());
  return std::make_unique<Primitive>(dnnl::reorder(pd),
                                     Primitive::Arguments{{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}},
                                     pd.scratchpad_desc());
}

#if DNNL_VERSION_MAJOR >= 3

dnnl::convolution_forward::primitive_desc forward_desc(const Convolution& c,
                                                       const std::array<Desc, 3>& x_w_y,
                                                       const Desc& bias,
                                                       const dnnl::primitive_attr& attr) {
  return {engine(),       dnnl::prop_kind::forward_training,
          kDirect,        x_w_y[0],
          x_w_y[1],       bias,
          x_w_y[2],       {c.stride, c.stride},
          {0, 0},         {c.pad, c.pad},
          {c.pad, c.pad}, attr};
}

dnnl::convolution_backward_data::primitive_desc backward_data_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y) {
  const auto hint = forward_desc(c, x_w_y, {}, attributes());
  return {engine(), kDirect,        x_w_y[0],       x_w_y[1], x_w_y[2],    {c.stride, c.stride},
          {0, 0},   {c.pad, c.pad}, {c.pad, c.pad}, hint,     attributes()};
}

dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y) {
  const auto hint = forward_desc(c, x_w_y, {}, attributes());
  return {engine(), kDirect,        x_w_y[0],       x_w_y[1], x_w_y[2],    {c.stride, c.stride},
          {0, 0},   {c.pad, c.pad}, {c.pad, c.pad}, hint,     attributes()};
}

dnnl::matmul::primitive_desc matmul_desc(const std::array<Desc, 3>& a_b_c, const Desc& bias,
                                         const dnnl::primitive_attr& attr) {
  return {engine(), a_b_c[0], a_b_c[1], bias, a_b_c[2], attr};
}

#else

dnnl::convolution_forward::primitive_desc forward_desc(const Convolution& c,
                                                       const std::array<Desc, 3>& x_w_y,
                                                       const Desc& bias,
                                                       const dnnl::primitive_attr& attr) {
  const Dims strides{c.stride, c.stride}, pads{c.pad, c.pad};
  return {{dnnl::prop_kind::forward_training, kDirect, x_w_y[0], x_w_y[1], bias, x_w_y[2], strides,
           pads, pads},
          attr,
          engine()};
}

dnnl::convolution_backward_data::primitive_desc backward_data_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y) {
  const Dims strides{c.stride, c.stride}, pads{c.pad, c.pad};
  return {{kDirect, x_w_y[0], x_w_y[1], x_w_y[2], strides, pads, pads},
          attributes(),
          engine(),
          forward_desc(c, x_w_y, {}, attributes())};
}

dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y) {
  const Dims strides{c.stride, c.stride}, pads{c.pad, c.pad};
  return {{kDirect, x_w_y[0], x_w_y[1], x_w_y[2], strides, pads, pads},
          attributes(),
          engine(),
          forward_desc(c, x_w_y, {}, attributes())};
}

dnnl::matmul::primitive_desc matmul_desc(const std::array<Desc, 3>& a_b_c, const Desc& bias,
                                         const dnnl::primitive_attr& attr) {
  return {{a_b_c[0], a_b_c[1], bias, a_b_c[2]}, attr, engine()};
}

#endif

}  // namespace ktrain::cpu::onednn
