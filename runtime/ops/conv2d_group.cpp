#include "kernels/conv2d_group.h"

#include <algorithm>

#include "kernels/bias_relu.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"
#include "runtime/ops/product_parts.h"
#include "runtime/product_precision.h"
#include "runtime/weight_casts.h"
#include "runtime/workspace.h"

namespace ktrain {
namespace {

using Tensors = std::vector<Tensor>;

// Places among the op's inputs, by member; none of what the op does not have. Each member's own
// come first, the last member's before the others', then what they share: in this order a walk
// meets them, as it would with an op for each.
struct Places {
  std::vector<std::size_t> x, w, scale, shift, residual;
  std::size_t count = 0;

  Places(std::size_t members, const Tensors& ws, const Conv2dGroupInputs& inputs) {
    const auto give = [&](std::vector<std::size_t>& to, const Tensors& given, std::size_t i) {
      if (given.size() != members) return;
      to.resize(members);
      to[i] = count++;
    };
    x.resize(members);
    for (std::size_t i = members; i-- > 0;) {
      x[i] = count++;
      give(w, ws, i);
      give(scale, inputs.scales, i);
      give(shift, inputs.shifts, i);
      give(residual, inputs.residuals, i);
    }
    const auto share = [&](std::vector<std::size_t>& to, const Tensors& given) {
      if (given.size() == 1 && to.empty()) to.assign(members, count++);
    };
    share(w, ws);
    share(scale, inputs.scales);
    share(shift, inputs.shifts);
  }
};

// What the backward pass reads. `ws` are what was multiplied, of the maps' type; `ys` only with
// ReLU.
struct Saved {
  Tensors xs, ws, scales, ys;
  Places at;
  Conv2dOptions options;

  [[nodiscard]] std::size_t members() const { return xs.size(); }
};

// Of member i, where there is one for all or one for each; undefined of none.
const Tensor& of(const Tensors& tensors, std::size_t i) {
  static const Tensor none;
  return tensors.empty() ? none : tensors[tensors.size() == 1 ? 0 : i];
}

Span<const float> span_of(const Tensors& tensors, std::size_t i) {
  const Tensor& t = of(tensors, i);
  return t.defined() ? t.span<float>() : Span<const float>{};
}

bool wants(const Wanted& wanted, const std::vector<std::size_t>& places, std::size_t i) {
  return !places.empty() && wanted[places[i]];
}

bool wants_any(const Wanted& wanted, const std::vector<std::size_t>& places) {
  return std::ranges::any_of(places, [&](std::size_t place) { return wanted[place]; });
}

// T: of xs and ws; Y: of ys.
template <class T, class Y>
void run_forward(const Saved& saved, const Conv2dGroupInputs& inputs, Tensors& ys) {
  Queue& queue = saved.xs[0].queue();
  std::vector<ForwardMember<T, Y>> members;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    const Tensor& residual = of(inputs.residuals, i);
    members.push_back({saved.xs[i].nhwc<T>(),
                       of(saved.ws, i).krsc<T>(),
                       {span_of(saved.scales, i), span_of(inputs.shifts, i),
                        residual.defined() ? residual.nhwc<T>() : Nhwc<const T>{}},
                       ys[i].mutable_nhwc<Y>()});
    const Nhwc<Y>& y = members.back().y;
    note_flops<T>(queue, "conv2d_group_forward", {nullptr, y.batch, y.height, y.width, y.channels},
                  members.back().w);
  }
  const std::span<const ForwardMember<T, Y>> group = members;
  Tensor scratch =
      workspace(saved.xs[0], queue.device == Device::kCpu
                                 ? cpu::conv2d_group_forward_workspace(group, saved.options)
                                 : cuda::conv2d_group_forward_workspace(group, saved.options));
  KT_RUN(queue, conv2d_group_forward, group, scratch.mutable_span<float>(), saved.options);
}

// Is member i's shift summed along with the gradient of its filters? Where that is computed, of
// gradients that are not rounded for it, and members share both or neither.
bool sums_along(const Saved& saved, const Wanted& wanted, DType of_dy, std::size_t i) {
  const bool filters = wants(wanted, saved.at.w, i) || wants(wanted, saved.at.scale, i);
  const auto shared = [&](const std::vector<std::size_t>& places) {
    return places.front() == places.back();
  };
  return wants(wanted, saved.at.shift, i) && filters && of_dy == saved.xs[i].dtype() &&
         shared(saved.at.shift) == shared(saved.at.w);
}

// What the convolutions alone get, by member, and the gradients of the residuals, and of the shifts
// that weight_gradients() does not sum. Where members share a shift, the last member's comes first.
Tensors epilogues_backward(const Saved& saved, Tensors dys, const Wanted& wanted,
                           Tensors& results) {
  Tensors gs(dys.size());
  for (std::size_t i = dys.size(); i-- > 0;) {
    const Tensor dy = std::move(dys[i]);
    dys[i] = Tensor();
    if (!dy.defined()) continue;
    const bool want_shift =
        wants(wanted, saved.at.shift, i) && !sums_along(saved, wanted, dy.dtype(), i);
    const Tensor y = saved.options.relu && !wanted.rectified(i) ? saved.ys[i] : Tensor();
    Tensor dshift = want_shift ? Tensor::empty(dy.context(), {dy.size(-1)}) : Tensor();
    gs[i] = y.defined() ? Tensor::empty_like(dy) : dy;
    with_map_type(dy, [&]<class D>(D) {
      epilogue_backward<D>(y, dy, gs[i], want_shift ? dshift.mutable_span<float>() : Span<float>{});
    });
    gs[i] = cast(gs[i], saved.xs[i].dtype());
    if (wants(wanted, saved.at.residual, i)) results[saved.at.residual[i]] = gs[i];
    if (!want_shift) continue;
    Tensor& sum = results[saved.at.shift[i]];
    if (sum.defined())
      accumulate_into(sum, dshift);
    else
      sum = dshift;
  }
  return gs;
}

// Room for the gradient of member i's filters and, where they are wanted, of their scale and the
// shift that is summed along.
template <class T>
FilterGradient<T> filter_gradient(const Saved& saved, std::size_t i, const Wanted& wanted,
                                  bool with_shift, Tensors& results) {
  const Tensor& w = of(saved.ws, i);
  Tensor& dw = results[saved.at.w[i]];
  dw = Tensor::empty(w.context(), w.shape());
  FilterGradient<T> to{dw.mutable_krsc<float>(), {w.krsc<T>(), span_of(saved.scales, i)}, {}, {}};
  if (with_shift) {
    Tensor& dshift = results[saved.at.shift[i]];
    dshift = Tensor::empty(w.context(), {w.size(0)});
    to.dshift = dshift.mutable_span<float>();
  }
  if (!wants(wanted, saved.at.scale, i)) return to;
  Tensor& dscale = results[saved.at.scale[i]];
  dscale = Tensor::empty_like(of(saved.scales, i));
  to.dscale = dscale.mutable_span<float>();
  return to;
}

template <class T>
void weight_gradients(const Saved& saved, const Tensors& gs, DType of_dy, const Wanted& wanted,
                      Tensors& results) {
  std::vector<WeightsMember<T>> members;
  std::vector<FilterGradient<T>> to;
  for (std::size_t i = 0; i < gs.size(); ++i) {
    if (!gs[i].defined() || !(wants(wanted, saved.at.w, i) || wants(wanted, saved.at.scale, i)))
      continue;
    members.push_back({saved.xs[i].nhwc<T>(), gs[i].nhwc<T>()});
    note_flops<T>(gs[i].queue(), "conv2d_group_backward_weights", members.back().g,
                  of(saved.ws, i).krsc<T>());
    if (!results[saved.at.w[i]].defined())
      to.push_back(
          filter_gradient<T>(saved, i, wanted, sums_along(saved, wanted, of_dy, i), results));
  }
  if (members.empty()) return;
  const std::span<const WeightsMember<T>> group = members;
  const std::span<const FilterGradient<T>> out = to;
  Queue& queue = saved.xs[0].queue();
  Tensor scratch = workspace(
      saved.xs[0], queue.device == Device::kCpu
                       ? cpu::conv2d_group_backward_weights_workspace(group, out, saved.options)
                       : cuda::conv2d_group_backward_weights_workspace(group, out, saved.options));
  KT_RUN(queue, conv2d_group_backward_weights, group, scratch.mutable_span<float>(), out,
         saved.options);
}

template <class T>
void data_gradients(const Saved& saved, const std::vector<Tensor>& gs, const Wanted& wanted,
                    std::vector<Tensor>& results) {
  std::vector<DataMember<T>> members;
  std::vector<InputEnd> ends;
  for (std::size_t i = 0; i < gs.size(); ++i) {
    const std::size_t at = saved.at.x[i];
    if (!gs[i].defined() || !wanted[at]) continue;
    results[at] = Tensor::empty_like(saved.xs[i]);
    ends.push_back(wanted.take_end(at));
    members.push_back({gs[i].nhwc<T>(), of(saved.ws, i).krsc<T>(), span_of(saved.scales, i),
                       results[at].mutable_nhwc<T>(), gradient_end<T>(ends.back(), saved.xs[i])});
    note_flops<T>(gs[i].queue(), "conv2d_group_backward_data", members.back().g, members.back().w);
  }
  if (members.empty()) return;
  const std::span<const DataMember<T>> group = members;
  Queue& queue = saved.xs[0].queue();
  Tensor scratch = workspace(
      saved.xs[0], queue.device == Device::kCpu
                       ? cpu::conv2d_group_backward_data_workspace(group, saved.options)
                       : cuda::conv2d_group_backward_data_workspace(group, saved.options));
  KT_RUN(queue, conv2d_group_backward_data, group, scratch.mutable_span<float>(), saved.options);
}

// Of those that are there: the results' all have one type.
DType dtype_of(const Tensors& dys) {
  const auto first = std::ranges::find_if(dys, [](const Tensor& dy) { return dy.defined(); });
  KT_CHECK(first != dys.end(), "conv2d_group: a backward pass without a gradient");
  return first->dtype();
}

// Gradients of the inputs, in their order.
std::vector<Tensor> backward_pass(const Saved& saved, std::vector<Tensor> dys,
                                  const Wanted& wanted) {
  std::vector<Tensor> results(saved.at.count);
  const DType of_dy = dtype_of(dys);
  const std::vector<Tensor> gs = epilogues_backward(saved, std::move(dys), wanted, results);
  with_map_type(saved.xs[0], [&]<class T>(T) {
    run_gradients(
        saved.xs[0].context(), wants_any(wanted, saved.at.w) || wants_any(wanted, saved.at.scale),
        [&] { weight_gradients<T>(saved, gs, of_dy, wanted, results); },
        wants_any(wanted, saved.at.x), [&] { data_gradients<T>(saved, gs, wanted, results); });
  });
  return results;
}

void check_inputs(const Tensors& xs, const Tensors& ws, const Conv2dGroupInputs& inputs) {
  const std::size_t maps = xs.size();
  KT_CHECK(maps >= 1 && maps <= kMaxGroup, "conv2d_group: {} maps, wanted 1 to {}", maps,
           kMaxGroup);
  const auto check = [&](const char* what, std::size_t count, std::size_t one) {
    KT_CHECK(count == 0 || count == one || count == maps, "conv2d_group: {} {} for {} maps", count,
             what, maps);
  };
  KT_CHECK(!ws.empty(), "conv2d_group: 0 filters for {} maps", maps);
  check("filters", ws.size(), 1);
  check("shifts", inputs.shifts.size(), 1);
  check("residuals", inputs.residuals.size(), maps);
  KT_CHECK(inputs.scales.empty() || inputs.scales.size() == ws.size(),
           "conv2d_group: {} scales for {} filters", inputs.scales.size(), ws.size());
  for (const Tensor& x : xs)
    KT_CHECK(x.dtype() == xs[0].dtype(), "conv2d_group: maps of {} and {}", name(xs[0].dtype()),
             name(x.dtype()));
}

// Room for the results.
std::vector<Tensor> empty_results(const Saved& saved, DType dtype) {
  std::vector<Tensor> ys;
  for (std::size_t i = 0; i < saved.xs.size(); ++i) {
    const Tensor& x = saved.xs[i];
    const Shape& w = of(saved.ws, i).shape();
    KT_CHECK(x.shape().rank() == 4 && w.rank() == 4, "conv2d_group: a map {} and filters {}",
             x.shape().text(), w.text());
    ys.push_back(Tensor::empty(x.context(),
                               {x.size(0), conv2d_out_size(x.size(1), w[1], saved.options),
                                conv2d_out_size(x.size(2), w[2], saved.options), w[0]},
                               dtype));
  }
  return ys;
}

}  // namespace

std::vector<Tensor> conv2d_group(const std::vector<Tensor>& xs, const std::vector<Tensor>& ws,
                                 const Conv2dGroupInputs& inputs, const Conv2dOptions& options,
                                 OutputType output) {
  check_inputs(xs, ws, inputs);
  Saved saved{{}, {}, {}, {}, Places(xs.size(), ws, inputs), options};
  if (options.precision == Precision::kFloat) saved.options.precision = product_precision();
  for (const Tensor& x : xs) saved.xs.push_back(x.detached());
  for (const Tensor& w : ws) saved.ws.push_back(weight_as(w, xs[0].dtype()));
  for (const Tensor& scale : inputs.scales) saved.scales.push_back(scale.detached());
  const bool as_float = output == OutputType::kFloat;
  Tensors ys = empty_results(saved, as_float ? DType::kF32 : xs[0].dtype());
  with_map_type(xs[0], [&]<class T>(T) {
    if (as_float)
      run_forward<T, float>(saved, inputs, ys);
    else
      run_forward<T, T>(saved, inputs, ys);
  });
  const Places& at = saved.at;
  Tensors all(at.count);
  std::vector<OpResult> results;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    results.push_back({ys[i], {}});
    const auto take = [&](const std::vector<std::size_t>& places, const Tensors& given) {
      if (places.empty()) return;
      all[places[i]] = of(given, i);
      results.back().from.push_back(places[i]);
    };
    take(at.x, xs);
    take(at.w, ws);
    take(at.scale, inputs.scales);
    take(at.shift, inputs.shifts);
    take(at.residual, inputs.residuals);
  }
  if (options.relu) saved.ys = std::move(ys);
  Tensors tied = record_results("conv2d_group", all, results,
                                [saved = std::move(saved)](Tensors dys, const Wanted& wanted) {
                                  return backward_pass(saved, std::move(dys), wanted);
                                });
  for (const Tensor& y : tied)
    if (options.relu && y.node()) y.node()->rectifies = true;
  return tied;
}

}  // namespace ktrain
