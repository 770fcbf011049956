#include "kernels/conv2d_group.h"

#include <algorithm>

#include "kernels/bias_relu.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"
#include "runtime/ops/conv2d_parts.h"
#include "runtime/product_precision.h"
#include "runtime/weight_casts.h"
#include "runtime/workspace.h"

namespace ktrain {
namespace {

// What the backward pass reads. `ws` are what was multiplied, of the maps' type; `ys` only with
// ReLU.
struct Saved {
  std::vector<Tensor> xs, ws, ys;
  std::size_t shifts = 0;
  Conv2dOptions options;

  // Places among the op's inputs: each member's own, the last member's first, then what they share.
  // In this order a walk meets them, as it would with an op for each.
  [[nodiscard]] std::size_t own() const { return 1u + (ws.size() > 1) + (shifts > 1); }
  [[nodiscard]] std::size_t x_of(std::size_t i) const { return (xs.size() - 1 - i) * own(); }
  [[nodiscard]] std::size_t w_of(std::size_t i) const {
    return ws.size() > 1 ? x_of(i) + 1 : xs.size() * own();
  }
  [[nodiscard]] std::size_t shift_of(std::size_t i) const {
    return shifts > 1 ? x_of(i) + 1 + (ws.size() > 1) : xs.size() * own() + (ws.size() == 1);
  }
  [[nodiscard]] std::size_t inputs() const { return xs.size() + ws.size() + shifts; }
};

// Of member i, where there is one for all or one for each.
const Tensor& of(const std::vector<Tensor>& tensors, std::size_t i) {
  return tensors[tensors.size() == 1 ? 0 : i];
}

// T: of xs and ws; Y: of ys.
template <class T, class Y>
void run_forward(const Saved& saved, const std::vector<Tensor>& shifts, std::vector<Tensor>& ys) {
  Queue& queue = saved.xs[0].queue();
  std::vector<ForwardMember<T, Y>> members;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    members.push_back({saved.xs[i].nhwc<T>(), of(saved.ws, i).krsc<T>(),
                       shifts.empty() ? Span<const float>{} : of(shifts, i).span<float>(),
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

// dy through the ReLU, and the sum of its columns, both where they are wanted.
template <class T>
Tensor epilogue_backward(const Tensor& y, const Tensor& dy, Tensor* dshift) {
  if (!y.defined() && !dshift) return dy;
  Tensor g = y.defined() ? Tensor::empty_like(dy) : dy;
  if (dshift) *dshift = Tensor::empty(dy.context(), {dy.size(-1)});
  Tensor scratch =
      workspace(dy, dshift ? cpu::bias_relu_backward_workspace(dy.rows<T>().rows, dy.size(-1)) : 0);
  KT_RUN(dy.queue(), bias_relu_backward, y.defined() ? y.rows<T>() : Rows<const T>{}, dy.rows<T>(),
         scratch.mutable_span<float>(), y.defined() ? g.mutable_rows<T>() : Rows<T>{},
         dshift ? dshift->mutable_span<float>() : Span<float>{});
  return g;
}

// What the convolutions alone get, by member, and the gradients of the shifts. Where members share
// one, the last member's comes first.
std::vector<Tensor> epilogues_backward(const Saved& saved, std::vector<Tensor> dys,
                                       const Wanted& wanted, std::vector<Tensor>& results) {
  std::vector<Tensor> gs(dys.size());
  for (std::size_t i = dys.size(); i-- > 0;) {
    const Tensor dy = std::move(dys[i]);
    dys[i] = Tensor();
    if (!dy.defined()) continue;
    const bool want_shift = saved.shifts > 0 && wanted[saved.shift_of(i)];
    const Tensor y = saved.options.relu && !wanted.rectified(i) ? saved.ys[i] : Tensor();
    Tensor dshift;
    with_map_type(dy, [&]<class D>(D) {
      gs[i] = epilogue_backward<D>(y, dy, want_shift ? &dshift : nullptr);
    });
    gs[i] = cast(gs[i], saved.xs[i].dtype());
    if (!want_shift) continue;
    Tensor& sum = results[saved.shift_of(i)];
    if (sum.defined())
      accumulate_into(sum, dshift);
    else
      sum = dshift;
  }
  return gs;
}

template <class T>
void weight_gradients(const Saved& saved, const std::vector<Tensor>& gs, const Wanted& wanted,
                      std::vector<Tensor>& results) {
  std::vector<WeightsMember<T>> members;
  std::vector<Krsc<float>> to;
  for (std::size_t i = 0; i < gs.size(); ++i) {
    if (!gs[i].defined() || !wanted[saved.w_of(i)]) continue;
    members.push_back({saved.xs[i].nhwc<T>(), gs[i].nhwc<T>()});
    note_flops<T>(gs[i].queue(), "conv2d_group_backward_weights", members.back().g,
                  of(saved.ws, i).krsc<T>());
    Tensor& dw = results[saved.w_of(i)];
    if (dw.defined()) continue;
    dw = Tensor::empty(gs[i].context(), of(saved.ws, i).shape());
    to.push_back(dw.mutable_krsc<float>());
  }
  if (members.empty()) return;
  const std::span<const WeightsMember<T>> group = members;
  const std::span<const Krsc<float>> out = to;
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
    const std::size_t at = saved.x_of(i);
    if (!gs[i].defined() || !wanted[at]) continue;
    results[at] = Tensor::empty_like(saved.xs[i]);
    ends.push_back(wanted.take_end(at));
    members.push_back({gs[i].nhwc<T>(), of(saved.ws, i).krsc<T>(), results[at].mutable_nhwc<T>(),
                       gradient_end<T>(ends.back(), saved.xs[i])});
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

// Gradients of the inputs, in their order.
std::vector<Tensor> backward_pass(const Saved& saved, std::vector<Tensor> dys,
                                  const Wanted& wanted) {
  std::vector<Tensor> results(saved.inputs());
  const std::vector<Tensor> gs = epilogues_backward(saved, std::move(dys), wanted, results);
  with_map_type(saved.xs[0], [&]<class T>(T) {
    weight_gradients<T>(saved, gs, wanted, results);
    data_gradients<T>(saved, gs, wanted, results);
  });
  return results;
}

void check_inputs(const std::vector<Tensor>& xs, const std::vector<Tensor>& ws,
                  const std::vector<Tensor>& shifts) {
  KT_CHECK(!xs.empty() && xs.size() <= kMaxGroup, "conv2d_group: {} maps, wanted 1 to {}",
           xs.size(), kMaxGroup);
  KT_CHECK(ws.size() == 1 || ws.size() == xs.size(), "conv2d_group: {} filters for {} maps",
           ws.size(), xs.size());
  KT_CHECK(shifts.size() <= 1 || shifts.size() == xs.size(), "conv2d_group: {} shifts for {} maps",
           shifts.size(), xs.size());
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
                                 const std::vector<Tensor>& shifts, const Conv2dOptions& options,
                                 OutputType output) {
  check_inputs(xs, ws, shifts);
  Saved saved{.xs = {}, .ws = {}, .ys = {}, .shifts = shifts.size(), .options = options};
  if (options.precision == Precision::kFloat) saved.options.precision = product_precision();
  for (const Tensor& x : xs) saved.xs.push_back(x.detached());
  for (const Tensor& w : ws) saved.ws.push_back(weight_as(w, xs[0].dtype()));
  const bool as_float = output == OutputType::kFloat;
  std::vector<Tensor> ys = empty_results(saved, as_float ? DType::kF32 : xs[0].dtype());
  with_map_type(xs[0], [&]<class T>(T) {
    if (as_float)
      run_forward<T, float>(saved, shifts, ys);
    else
      run_forward<T, T>(saved, shifts, ys);
  });
  std::vector<Tensor> inputs(saved.inputs());
  std::vector<OpResult> results;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    results.push_back({ys[i], {saved.x_of(i), saved.w_of(i)}});
    inputs[saved.x_of(i)] = xs[i];
    inputs[saved.w_of(i)] = of(ws, i);
    if (shifts.empty()) continue;
    results.back().from.push_back(saved.shift_of(i));
    inputs[saved.shift_of(i)] = of(shifts, i);
  }
  if (options.relu) saved.ys = std::move(ys);
  std::vector<Tensor> tied =
      record_results("conv2d_group", inputs, results,
                     [saved = std::move(saved)](std::vector<Tensor> dys, const Wanted& wanted) {
                       return backward_pass(saved, std::move(dys), wanted);
                     });
  for (const Tensor& y : tied)
    if (options.relu && y.node()) y.node()->rectifies = true;
  return tied;
}

}  // namespace ktrain
