// Convolution by oneDNN on channels-last maps. Filters are folded with the scale and brought into
// the layout that the primitive asks for, in the caller's workspace, on every call: a small part of
// the convolution's time, and there is no cache that could hold stale weights.
#include <algorithm>
#include <array>

#include "kernels/cpu/conv2d_engines.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/pixel_stride.h"
#include "kernels/parallel.h"

namespace ktrain::cpu::onednn {
namespace {

using Key = std::array<std::int64_t, 14>;

// Everything that a primitive depends on; oneDNN splits the work by the thread count at creation.
Key key_of(Nhwc<const float> x, Nhwc<const float> y, Krsc<const float> w,
           const Conv2dOptions& options, std::int64_t variant) {
  return {x.batch, x.height, x.width,        x.channels,  y.height, y.width,      y.channels,
          w.rows,  w.cols,   options.stride, options.pad, variant,  num_threads()};
}

Convolution convolution_of(Nhwc<const float> x, Nhwc<const float> y, Krsc<const float> w,
                           const Conv2dOptions& options) {
  return {{x.batch, x.channels, x.height, x.width},
          {w.filters, w.channels, w.rows, w.cols},
          {y.batch, y.channels, y.height, y.width},
          options.stride,
          options.pad};
}

std::unique_ptr<Primitive> reorder_unless_equal(const Desc& from, const Desc& to) {
  return from == to ? nullptr : make_reorder(from, to);
}

std::int64_t scratch_of(const std::unique_ptr<Primitive>& primitive) {
  return primitive ? primitive->scratch_floats() : 0;
}

// A pass that reads filters: (fold), (reorder), convolve.
struct FilterPlan {
  std::unique_ptr<Primitive> reorder, convolve;
  std::int64_t folded_floats = 0, reordered_floats = 0, scratch_floats = 0;

  FilterPlan(const Convolution& c, const Desc& wanted) {
    const Desc krsc = desc(c.w, Tag::ohwi);
    reorder = reorder_unless_equal(krsc, wanted);
    folded_floats = padded_floats(krsc);
    if (reorder) reordered_floats = padded_floats(wanted);
  }
  [[nodiscard]] std::int64_t workspace(bool scaled) const {
    return (scaled ? folded_floats : 0) + reordered_floats + scratch_floats;
  }
};

// Filters as the plan's convolution wants them; `workspace` advances past what was used.
const float* prepare_filters(const FilterPlan& plan, Krsc<const float> w, Span<const float> scale,
                             float*& workspace) {
  const float* filters = w.data;
  if (!scale.empty()) {
    float* folded = workspace;
    workspace += plan.folded_floats;
    const std::int64_t taps = w.rows * w.cols * w.channels;
    parallel_for(w.filters, std::max<std::int64_t>(1, 32768 / taps), [&](std::int64_t k) {
      for (std::int64_t i = k * taps; i < (k + 1) * taps; ++i) folded[i] = scale[k] * w.data[i];
    });
    filters = folded;
  }
  if (plan.reorder) {
    float* reordered = workspace;
    workspace += plan.reordered_floats;
    plan.reorder->run({{DNNL_ARG_FROM, filters}, {DNNL_ARG_TO, reordered}}, workspace);
    filters = reordered;
  }
  return filters;
}

// Bits of a forward variant.
constexpr std::int64_t kShift = 1, kResidual = 2, kRelu = 4;

std::unique_ptr<FilterPlan> make_forward(const Convolution& c, std::int64_t variant) {
  const Desc x = desc(c.x, Tag::nhwc), y = desc(c.y, Tag::nhwc);
  const Desc bias = variant & kShift ? desc({c.y[1]}, Tag::x) : Desc();
  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops ops;
  if (variant & kResidual) ops.append_binary(dnnl::algorithm::binary_add, y);
  if (variant & kRelu) append_relu(ops);
  attr.set_post_ops(ops);
  const auto pd = forward_desc(c, {x, desc(c.w, Tag::any), y}, bias, attr);

  auto plan = std::make_unique<FilterPlan>(c, pd.weights_desc());
  Primitive::Arguments arguments = {
      {DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, pd.weights_desc()}, {DNNL_ARG_DST, y}};
  if (variant & kShift) arguments.emplace_back(DNNL_ARG_BIAS, bias);
  if (variant & kResidual)
    arguments.emplace_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, y);
  plan->convolve =
      std::make_unique<Primitive>(dnnl::convolution_forward(pd), arguments, pd.scratchpad_desc());
  plan->scratch_floats = std::max(scratch_of(plan->reorder), scratch_of(plan->convolve));
  return plan;
}

const FilterPlan& forward_plan(Nhwc<const float> x, Krsc<const float> w,
                               const Conv2dEpilogue<float>& epilogue, Nhwc<const float> y,
                               const Conv2dOptions& options) {
  static Cache<Key, FilterPlan> cache;
  const std::int64_t variant = (epilogue.shift.empty() ? 0 : kShift) |
                               (epilogue.residual.empty() ? 0 : kResidual) |
                               (options.relu ? kRelu : 0);
  return cache.get(key_of(x, y, w, options, variant),
                   [&] { return make_forward(convolution_of(x, y, w, options), variant); });
}

std::unique_ptr<FilterPlan> make_backward_data(const Convolution& c) {
  const Desc x = desc(c.x, Tag::nhwc), y = desc(c.y, Tag::nhwc);
  const auto pd = backward_data_desc(c, {x, desc(c.w, Tag::any), y});
  auto plan = std::make_unique<FilterPlan>(c, pd.weights_desc());
  plan->convolve = std::make_unique<Primitive>(
      dnnl::convolution_backward_data(pd),
      Primitive::Arguments{
          {DNNL_ARG_DIFF_SRC, x}, {DNNL_ARG_WEIGHTS, pd.weights_desc()}, {DNNL_ARG_DIFF_DST, y}},
      pd.scratchpad_desc());
  plan->scratch_floats = std::max(scratch_of(plan->reorder), scratch_of(plan->convolve));
  return plan;
}

const FilterPlan& backward_data_plan(Nhwc<const float> g, Krsc<const float> w, Nhwc<const float> dx,
                                     const Conv2dOptions& options) {
  static Cache<Key, FilterPlan> cache;
  return cache.get(key_of(dx, g, w, options, 0),
                   [&] { return make_backward_data(convolution_of(dx, g, w, options)); });
}

// (reorder x), (reorder g), convolve, (reorder dw).
struct WeightsPlan {
  std::unique_ptr<Primitive> reorder_x, reorder_g, reorder_dw, convolve;
  std::int64_t x_floats = 0, g_floats = 0, dw_floats = 0, scratch_floats = 0;

  [[nodiscard]] std::int64_t workspace() const {
    return x_floats + g_floats + dw_floats + scratch_floats;
  }
};

std::unique_ptr<WeightsPlan> make_backward_weights(const Convolution& c, Tag maps) {
  const auto pd = backward_weights_desc(c, {desc(c.x, maps), desc(c.w, Tag::any), desc(c.y, maps)});
  auto plan = std::make_unique<WeightsPlan>();
  plan->reorder_x = reorder_unless_equal(desc(c.x, Tag::nhwc), pd.src_desc());
  plan->reorder_g = reorder_unless_equal(desc(c.y, Tag::nhwc), pd.diff_dst_desc());
  plan->reorder_dw = reorder_unless_equal(pd.diff_weights_desc(), desc(c.w, Tag::ohwi));
  if (plan->reorder_x) plan->x_floats = padded_floats(pd.src_desc());
  if (plan->reorder_g) plan->g_floats = padded_floats(pd.diff_dst_desc());
  if (plan->reorder_dw) plan->dw_floats = padded_floats(pd.diff_weights_desc());
  plan->convolve = std::make_unique<Primitive>(
      dnnl::convolution_backward_weights(pd),
      Primitive::Arguments{{DNNL_ARG_SRC, pd.src_desc()},
                           {DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()},
                           {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()}},
      pd.scratchpad_desc());
  plan->scratch_floats = std::max({scratch_of(plan->reorder_x), scratch_of(plan->reorder_g),
                                   scratch_of(plan->reorder_dw), scratch_of(plan->convolve)});
  return plan;
}

const WeightsPlan& backward_weights_plan(Nhwc<const float> x, Nhwc<const float> g,
                                         Krsc<const float> dw, const Conv2dOptions& options) {
  static Cache<Key, WeightsPlan> cache;
  return cache.get(key_of(x, g, dw, options, 0), [&] {
    return make_backward_weights(convolution_of(x, g, dw, options), Tag::nhwc);
  });
}

// Runs `reorder` from `data` into the front of `workspace`, or passes `data` on if there is none.
const float* reordered(const std::unique_ptr<Primitive>& reorder, const float* data,
                       std::int64_t floats, float*& workspace, float* scratch) {
  if (!reorder) return data;
  float* to = workspace;
  workspace += floats;
  reorder->run({{DNNL_ARG_FROM, data}, {DNNL_ARG_TO, to}}, scratch);
  return to;
}

}  // namespace

bool is_trusted() {
  static const bool trusted = [] {
    const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto avx2 = static_cast<unsigned>(dnnl::cpu_isa::avx2);
    return (isa & avx2) == avx2;
  }();
  return trusted;
}

void conv2d_forward(Nhwc<const float> x, Krsc<const float> w, Conv2dEpilogue<float> epilogue,
                    float* workspace, Nhwc<float> y, const Conv2dOptions& options) {
  if (skips_pixels(w, options)) {
    const Nhwc<float> seen = seen_pixels(workspace, x, y);
    gather_pixels(x, options.stride, seen);
    return conv2d_forward(seen, w, epilogue, workspace + seen_floats(seen), y,
                          dense_options(options));
  }
  const FilterPlan& plan = forward_plan(x, w, epilogue, y, options);
  const float* filters = prepare_filters(plan, w, epilogue.scale, workspace);
  plan.convolve->run({{DNNL_ARG_SRC, x.data},
                      {DNNL_ARG_WEIGHTS, filters},
                      {DNNL_ARG_BIAS, epilogue.shift.data},
                      {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, epilogue.residual.data},
                      {DNNL_ARG_DST, y.data}},
                     workspace);
}

std::int64_t conv2d_forward_workspace(Nhwc<const float> x, Krsc<const float> w,
                                      Conv2dEpilogue<float> epilogue, Nhwc<const float> y,
                                      const Conv2dOptions& options) {
  if (skips_pixels(w, options)) {
    const Nhwc<float> seen = seen_pixels(nullptr, x, y);
    return seen_floats(seen) +
           conv2d_forward_workspace(seen, w, epilogue, y, dense_options(options));
  }
  return forward_plan(x, w, epilogue, y, options).workspace(!epilogue.scale.empty());
}

void conv2d_backward_data(Nhwc<const float> g, Krsc<const float> w, Span<const float> scale,
                          float* workspace, Nhwc<float> dx, const Conv2dOptions& options) {
  if (skips_pixels(w, options)) {
    const Nhwc<float> seen = seen_pixels(workspace, dx, g);
    conv2d_backward_data(g, w, scale, workspace + seen_floats(seen), seen, dense_options(options));
    return scatter_pixels(seen, options.stride, dx);
  }
  const FilterPlan& plan = backward_data_plan(g, w, dx, options);
  const float* filters = prepare_filters(plan, w, scale, workspace);
  plan.convolve->run(
      {{DNNL_ARG_DIFF_DST, g.data}, {DNNL_ARG_WEIGHTS, filters}, {DNNL_ARG_DIFF_SRC, dx.data}},
      workspace);
}

std::int64_t conv2d_backward_data_workspace(Nhwc<const float> g, Krsc<const float> w,
                                            Span<const float> scale, Nhwc<const float> dx,
                                            const Conv2dOptions& options) {
  if (skips_pixels(w, options)) {
    const Nhwc<float> seen = seen_pixels(nullptr, dx, g);
    return seen_floats(seen) +
           conv2d_backward_data_workspace(g, w, scale, seen, dense_options(options));
  }
  return backward_data_plan(g, w, dx, options).workspace(!scale.empty());
}

void conv2d_backward_weights(Nhwc<const float> x, Nhwc<const float> g, float* workspace,
                             Krsc<float> dw, const Conv2dOptions& options) {
  if (skips_pixels(dw, options)) {
    const Nhwc<float> seen = seen_pixels(workspace, x, g);
    gather_pixels(x, options.stride, seen);
    return conv2d_backward_weights(seen, g, workspace + seen_floats(seen), dw,
                                   dense_options(options));
  }
  const WeightsPlan& plan = backward_weights_plan(x, g, dw, options);
  float* scratch = workspace + plan.x_floats + plan.g_floats + plan.dw_floats;
  const float* from = reordered(plan.reorder_x, x.data, plan.x_floats, workspace, scratch);
  const float* cotangent = reordered(plan.reorder_g, g.data, plan.g_floats, workspace, scratch);
  const float* gradient = plan.reorder_dw ? workspace : dw.data;
  plan.convolve->run(
      {{DNNL_ARG_SRC, from}, {DNNL_ARG_DIFF_DST, cotangent}, {DNNL_ARG_DIFF_WEIGHTS, gradient}},
      scratch);
  if (plan.reorder_dw)
    plan.reorder_dw->run({{DNNL_ARG_FROM, gradient}, {DNNL_ARG_TO, dw.data}}, scratch);
}

std::int64_t conv2d_backward_weights_workspace(Nhwc<const float> x, Nhwc<const float> g,
                                               Krsc<const float> dw, const Conv2dOptions& options) {
  if (skips_pixels(dw, options)) {
    const Nhwc<float> seen = seen_pixels(nullptr, x, g);
    return seen_floats(seen) +
           conv2d_backward_weights_workspace(seen, g, dw, dense_options(options));
  }
  return backward_weights_plan(x, g, dw, options).workspace();
}

}  // namespace ktrain::cpu::onednn
