// Layers of several maps: a group's one launch beside a call for each map. Five levels of a pyramid
// that share their filters, as the proposal network has them, and two streams whose filters are
// their own, as the backbones have them. Small maps fill a GPU neither alone nor one after another.
#include <type_traits>
#include <vector>

#include "bench/cases.h"
#include "bench/numbers.h"
#include "kernels/conv2d_group.h"
#include "kernels/elementwise.h"

namespace ktrain::bench {
namespace {

// Levels have half as many pixels a side each, and one filter with a shift. Streams are of one
// size, and have a filter, a scale and a shift each.
enum class Of : std::uint8_t { kLevels, kStreams };

struct Layer {
  const char* name;
  Of of;
  std::int64_t maps, images, height, width, channels, filters, taps, stride;
  bool residual;
};
constexpr Layer kLayers[] = {
    {"P2-P6 3x3 256-256", Of::kLevels, 5, kImages, 128, 160, 256, 256, 3, 1, false},
    {"P2-P6 1x1 256-12", Of::kLevels, 5, kImages, 128, 160, 256, 12, 1, 1, false},
    // Where a block of ResNet-18 ends, and where one of ResNet-50 halves its map.
    {"2 streams of 4, C4 3x3 256-256", Of::kStreams, 2, 4, 32, 40, 256, 256, 3, 1, true},
    {"2 streams of 4, C5 3x3 512-512", Of::kStreams, 2, 4, 16, 20, 512, 512, 3, 1, true},
    {"2 streams of 4, C4 3x3/2 256-256", Of::kStreams, 2, 4, 64, 80, 256, 256, 3, 2, false},
};

// A layer's arrays: the maps' one after another, and so the streams' parameters.
template <class T>
struct Group {
  Conv2dOptions options;
  bool streams;
  std::vector<Nhwc<T>> x, y;
  Krsc<T> filter;  // the shape of one
  Array<T> x_data, w_data, y_data, residuals;
  Array<float> scales, shifts;
  // dshift and dscale of all streams, then dw: what is held against a rival's is the beginning.
  Array<float> gradients, term;
  double flops = 0;

  Group(const Lab& lab, const Layer& l)
      : options{.stride = l.stride, .pad = l.taps / 2, .relu = true},
        streams(l.of == Of::kStreams) {
    // No fewer than what a tensor copy brings.
    const std::int64_t channels = lab.scaled(l.channels, 64);
    const std::int64_t filters = lab.scaled(l.filters, std::min<std::int64_t>(l.filters, 64));
    filter = {nullptr, filters, l.taps, l.taps, channels};
    std::int64_t read = 0, written = 0;
    for (std::int64_t i = 0; i < l.maps; ++i) {
      const std::int64_t level = streams ? 0 : i;
      x.push_back({nullptr, l.images, lab.scaled(l.height >> level), lab.scaled(l.width >> level),
                   channels});
      y.push_back({nullptr, l.images, conv2d_out_size(x.back().height, l.taps, options),
                   conv2d_out_size(x.back().width, l.taps, options), filters});
      flops += conv2d_flops<T>(y.back(), filter);
      read += x.back().size();
      written += y.back().size();
    }
    const std::int64_t own = streams ? l.maps : 1;
    x_data = normal<T>(lab, read, 1);
    w_data = normal<T>(lab, own * filter.size(), 2, 0.05);
    y_data = normal<T>(lab, written, 3);
    if (l.residual) residuals = normal<T>(lab, written, 4);
    if (streams) scales = lab.normal(own * filters, 5);
    shifts = streams ? lab.normal(own * filters, 6) : lab.filled(filters, 0.0f);
    gradients = lab.make<float>(2 * scales.size() + w_data.size());
    if (!streams) term = lab.make<float>(filter.size());
    T *next_x = x_data.data(), *next_y = y_data.data();
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i].data = next_x;
      y[i].data = next_y;
      next_x += x[i].size();
      next_y += y[i].size();
    }
  }

  [[nodiscard]] std::int64_t own(std::size_t map) const {
    return streams ? static_cast<std::int64_t>(map) : 0;
  }
  [[nodiscard]] Krsc<const T> w(std::size_t map) const {
    Krsc<T> of = filter;
    of.data = w_data.data() + own(map) * filter.size();
    return of;
  }
  // A map's of `all`, or empty.
  [[nodiscard]] Span<const float> part(const Array<float>& all, std::size_t map) const {
    if (all.size() == 0) return {};
    return {all.data() + own(map) * filter.filters, filter.filters};
  }
  [[nodiscard]] Conv2dEpilogue<T> epilogue(std::size_t map) const {
    Nhwc<T> residual;
    if (residuals.size() > 0) {
      residual = y[map];
      residual.data = residuals.data() + (y[map].data - y_data.data());
    }
    return {part(scales, map), part(shifts, map), residual};
  }
  [[nodiscard]] Krsc<float> gradient(float* data) const {
    return {data, filter.filters, filter.rows, filter.cols, filter.channels};
  }
  [[nodiscard]] std::vector<FilterGradient<T>> filter_gradients() const {
    float* const dw = gradients.data() + 2 * scales.size();
    if (!streams) return {{gradient(dw)}};
    std::vector<FilterGradient<T>> all;
    for (std::size_t i = 0; i < x.size(); ++i) {
      float* const dshift = gradients.data() + own(i) * filter.filters;
      all.push_back({gradient(dw + own(i) * filter.size()),
                     {w(i), part(scales, i)},
                     {dshift + scales.size(), filter.filters},
                     {dshift, filter.filters}});
    }
    return all;
  }

  [[nodiscard]] const char* one_by_one() const {
    return streams ? "a call for each stream" : "a call for each level";
  }
  [[nodiscard]] Job job(std::int64_t bytes) const {
    return {.bytes = static_cast<double>(bytes),
            .flops = flops,
            .run = {},
            .precision = std::is_same_v<T, float> ? Precision::kFloat : Precision::kBf16,
            .rivals = {}};
  }
  // Only floats are compared.
  [[nodiscard]] static Array<float> compared(const Array<T>& output) {
    if constexpr (std::is_same_v<T, float>)
      return output;
    else
      return {};
  }
};

template <class T>
Job forward(const Lab& lab, const Layer& layer) {
  const Group<T> p(lab, layer);
  std::vector<ForwardMember<T>> members;
  std::int64_t most = 0;
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    members.push_back({p.x[i], p.w(i), p.epilogue(i), p.y[i]});
    const ForwardMember<T>& m = members.back();
    const Nhwc<const T> y = m.y;
    most = std::max(
        most, lab.cuda() ? cuda::conv2d_forward_workspace<T>(m.x, m.w, m.epilogue, y, p.options)
                         : cpu::conv2d_forward_workspace<T>(m.x, m.w, m.epilogue, y, p.options));
  }
  const std::span<const ForwardMember<T>> group = members;
  const Array<float> space =
      lab.make<float>(lab.cuda() ? cuda::conv2d_group_forward_workspace<T>(group, p.options)
                                 : cpu::conv2d_group_forward_workspace<T>(group, p.options));
  const Array<float> for_one = lab.make<float>(most);
  Job job = p.job(p.x_data.bytes() + p.w_data.bytes() + p.y_data.bytes() + p.residuals.bytes());
  job.run = [p, members, space, &lab] {
    const std::span<const ForwardMember<T>> all = members;
    KT_RUN(lab.queue(), conv2d_group_forward, all, space.out(), p.options);
  };
  job.rivals.push_back({p.one_by_one(),
                        [p, members, for_one, &lab] {
                          for (const ForwardMember<T>& m : members)
                            KT_RUN(lab.queue(), conv2d_forward, m.x, m.w, m.epilogue, for_one.out(),
                                   m.y, p.options);
                        },
                        {}});
  job.output = p.compared(p.y_data);
  job.relu = true;
  return job;
}

template <class T>
Job backward_data(const Lab& lab, const Layer& layer) {
  const Group<T> p(lab, layer);
  std::vector<DataMember<T>> members;
  std::int64_t most = 0;
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    members.push_back({p.y[i], p.w(i), p.part(p.scales, i), p.x[i], {}});
    const DataMember<T>& m = members.back();
    const Nhwc<const T> dx = m.dx;
    most = std::max(most,
                    lab.cuda()
                        ? cuda::conv2d_backward_data_workspace<T>(m.g, m.w, m.scale, dx, p.options)
                        : cpu::conv2d_backward_data_workspace<T>(m.g, m.w, m.scale, dx, p.options));
  }
  const std::span<const DataMember<T>> group = members;
  const Array<float> space =
      lab.make<float>(lab.cuda() ? cuda::conv2d_group_backward_data_workspace<T>(group, p.options)
                                 : cpu::conv2d_group_backward_data_workspace<T>(group, p.options));
  const Array<float> for_one = lab.make<float>(most);
  Job job = p.job(p.x_data.bytes() + p.w_data.bytes() + p.y_data.bytes());
  job.run = [p, members, space, &lab] {
    const std::span<const DataMember<T>> all = members;
    KT_RUN(lab.queue(), conv2d_group_backward_data, all, space.out(), p.options);
  };
  job.rivals.push_back({p.one_by_one(),
                        [p, members, for_one, &lab] {
                          for (const DataMember<T>& m : members)
                            KT_RUN(lab.queue(), conv2d_backward_data, m.g, m.w, m.scale,
                                   for_one.out(), m.dx, p.options, m.end);
                        },
                        {}});
  job.output = p.compared(p.x_data);
  return job;
}

// Each map's gradients by a call; those of levels are added up.
template <class T>
void gradients_one_by_one(const Lab& lab, const Group<T>& p,
                          const std::vector<WeightsMember<T>>& members,
                          const std::vector<FilterGradient<T>>& to, Span<float> space) {
  const FilterGradient<T> term{p.gradient(p.term.data())};
  for (std::size_t i = 0; i < members.size(); ++i) {
    const bool added = !p.streams && i > 0;
    const FilterGradient<T>& into = added ? term : to[p.streams ? i : 0];
    KT_RUN(lab.queue(), conv2d_backward_weights, members[i].x, members[i].g, into.forward, space,
           into.dw, into.dscale, into.dshift, p.options);
    if (added) KT_RUN(lab.queue(), accumulate, p.term.span(), p.gradients.out());
  }
}

template <class T>
Job backward_weights(const Lab& lab, const Layer& layer) {
  const Group<T> p(lab, layer);
  const std::vector<FilterGradient<T>> to = p.filter_gradients();
  std::vector<WeightsMember<T>> members;
  std::int64_t most = 0;
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    members.push_back({p.x[i], p.y[i]});
    const auto& [x, g] = members.back();
    const Krsc<const float> dw = to[p.streams ? i : 0].dw;
    const Span<const float> dshift = to[p.streams ? i : 0].dshift;
    most = std::max(
        most, lab.cuda() ? cuda::conv2d_backward_weights_workspace<T>(x, g, dw, dshift, p.options)
                         : cpu::conv2d_backward_weights_workspace<T>(x, g, dw, dshift, p.options));
  }
  const Array<float> space = lab.make<float>(
      lab.cuda() ? cuda::conv2d_group_backward_weights_workspace<T>(members, to, p.options)
                 : cpu::conv2d_group_backward_weights_workspace<T>(members, to, p.options));
  const Array<float> for_one = lab.make<float>(most);
  // Filters are read where there is a scale.
  Job job = p.job(p.x_data.bytes() + p.y_data.bytes() + p.gradients.bytes() +
                  (p.streams ? p.w_data.bytes() : 0));
  job.run = [p, members, to, space, &lab] {
    const std::span<const WeightsMember<T>> all = members;
    const std::span<const FilterGradient<T>> into = to;
    KT_RUN(lab.queue(), conv2d_group_backward_weights, all, space.out(), into, p.options);
  };
  job.rivals.push_back({p.one_by_one(),
                        [p, members, to, for_one, &lab] {
                          gradients_one_by_one(lab, p, members, to, for_one.out());
                        },
                        {}});
  job.output = p.gradients;
  return job;
}

template <class T>
void add(const char* family, const Layer& layer) {
  add_case(family, "forward", layer.name,
           [&layer](const Lab& lab) { return forward<T>(lab, layer); });
  add_case(family, "backward_data", layer.name,
           [&layer](const Lab& lab) { return backward_data<T>(lab, layer); });
  add_case(family, "backward_weights", layer.name,
           [&layer](const Lab& lab) { return backward_weights<T>(lab, layer); });
}

const bool kGroups = [] {
  for (const Layer& layer : kLayers) {
    add<float>("conv2d_group", layer);
    const std::size_t before = cases().size();
    add<Bfloat16>("conv2d_group_bf16", layer);
    for (std::size_t i = before; i < cases().size(); ++i) cases()[i].cuda_only = true;
  }
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
