// The convolutions of five levels of a pyramid that share their filters, as the proposal network
// has them: a group's one launch beside a call for each level. The small levels fill a GPU neither
// alone nor one after another.
#include <type_traits>
#include <vector>

#include "bench/cases.h"
#include "bench/numbers.h"
#include "kernels/conv2d_group.h"
#include "kernels/elementwise.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kLevels = 5;  // of 128 x 160 pixels, and half as many a side each

struct Layer {
  const char* name;
  std::int64_t channels, filters, taps;
};
constexpr Layer kLayers[] = {{"P2-P6 3x3 256-256", 256, 256, 3}, {"P2-P6 1x1 256-12", 256, 12, 1}};

// The levels' maps, one after another in two arrays.
template <class T>
struct Pyramid {
  Conv2dOptions options;
  std::vector<Nhwc<T>> x, y;
  Krsc<T> w;
  Array<T> x_data, w_data, y_data;
  Array<float> shift, dw, term;
  double flops = 0;

  Pyramid(const Lab& lab, const Layer& l) : options{.pad = l.taps / 2, .relu = true} {
    // No fewer than what a tensor copy brings.
    const std::int64_t channels = lab.scaled(l.channels, 64);
    const std::int64_t filters = lab.scaled(l.filters, std::min<std::int64_t>(l.filters, 64));
    w = {nullptr, filters, l.taps, l.taps, channels};
    std::int64_t pixels = 0;
    for (std::int64_t level = 0; level < kLevels; ++level) {
      const std::int64_t height = lab.scaled(128 >> level), width = lab.scaled(160 >> level);
      x.push_back({nullptr, kImages, height, width, channels});
      y.push_back({nullptr, kImages, height, width, filters});
      flops += conv2d_flops<T>(y.back(), w);
      pixels += y.back().pixels();
    }
    x_data = normal<T>(lab, pixels * channels, 1);
    w_data = normal<T>(lab, w.size(), 2, 0.05);
    y_data = normal<T>(lab, pixels * filters, 3);
    shift = lab.filled(filters, 0.0f);
    dw = lab.make<float>(w.size());
    term = lab.make<float>(w.size());
    w.data = w_data.data();
    T *next_x = x_data.data(), *next_y = y_data.data();
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i].data = next_x;
      y[i].data = next_y;
      next_x += x[i].size();
      next_y += y[i].size();
    }
  }
  [[nodiscard]] Krsc<float> gradient(const Array<float>& of) const {
    return {of.data(), w.filters, w.rows, w.cols, w.channels};
  }
  [[nodiscard]] Conv2dEpilogue<T> epilogue() const { return {{}, shift.span(), {}}; }
  [[nodiscard]] Job job() const {
    return {.bytes = static_cast<double>(x_data.bytes() + w_data.bytes() + y_data.bytes()),
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

constexpr auto kOneByOne = "a call for each level";

template <class T>
Job forward(const Lab& lab, const Layer& layer) {
  const Pyramid<T> p(lab, layer);
  std::vector<ForwardMember<T>> members;
  for (std::size_t i = 0; i < p.x.size(); ++i)
    members.push_back({p.x[i], p.w, p.epilogue(), p.y[i]});
  const std::span<const ForwardMember<T>> group = members;
  const Array<float> space =
      lab.make<float>(lab.cuda() ? cuda::conv2d_group_forward_workspace<T>(group, p.options)
                                 : cpu::conv2d_group_forward_workspace<T>(group, p.options));
  std::int64_t most = 0;
  for (const ForwardMember<T>& m : members) {
    const Nhwc<const T> y = m.y;
    most = std::max(
        most, lab.cuda() ? cuda::conv2d_forward_workspace<T>(m.x, m.w, p.epilogue(), y, p.options)
                         : cpu::conv2d_forward_workspace<T>(m.x, m.w, p.epilogue(), y, p.options));
  }
  const Array<float> for_one = lab.make<float>(most);
  Job job = p.job();
  job.run = [p, members, space, &lab] {
    const std::span<const ForwardMember<T>> all = members;
    KT_RUN(lab.queue(), conv2d_group_forward, all, space.out(), p.options);
  };
  job.rivals.push_back({kOneByOne,
                        [p, members, for_one, &lab] {
                          for (const ForwardMember<T>& m : members)
                            KT_RUN(lab.queue(), conv2d_forward, m.x, m.w, p.epilogue(),
                                   for_one.out(), m.y, p.options);
                        },
                        {}});
  job.output = p.compared(p.y_data);
  job.relu = true;
  return job;
}

template <class T>
Job backward_data(const Lab& lab, const Layer& layer) {
  const Pyramid<T> p(lab, layer);
  std::vector<DataMember<T>> members;
  std::int64_t most = 0;
  const Span<const float> no_scale;
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    members.push_back({p.y[i], p.w, {}, p.x[i], {}});
    const auto& m = members.back();
    const Nhwc<const T> dx = m.dx;
    most = std::max(
        most, lab.cuda()
                  ? cuda::conv2d_backward_data_workspace<T>(m.g, m.w, no_scale, dx, p.options)
                  : cpu::conv2d_backward_data_workspace<T>(m.g, m.w, no_scale, dx, p.options));
  }
  const std::span<const DataMember<T>> group = members;
  const Array<float> space =
      lab.make<float>(lab.cuda() ? cuda::conv2d_group_backward_data_workspace<T>(group, p.options)
                                 : cpu::conv2d_group_backward_data_workspace<T>(group, p.options));
  const Array<float> for_one = lab.make<float>(most);
  Job job = p.job();
  job.run = [p, members, space, &lab] {
    const std::span<const DataMember<T>> all = members;
    KT_RUN(lab.queue(), conv2d_group_backward_data, all, space.out(), p.options);
  };
  job.rivals.push_back({kOneByOne,
                        [p, members, for_one, no_scale, &lab] {
                          for (const DataMember<T>& m : members)
                            KT_RUN(lab.queue(), conv2d_backward_data, m.g, m.w, no_scale,
                                   for_one.out(), m.dx, p.options, m.end);
                        },
                        {}});
  job.output = p.compared(p.x_data);
  return job;
}

template <class T>
Job backward_weights(const Lab& lab, const Layer& layer) {
  const Pyramid<T> p(lab, layer);
  std::vector<WeightsMember<T>> members;
  std::int64_t most = 0;
  const Krsc<const float> filters = p.gradient(p.dw);
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    members.push_back({p.x[i], p.y[i]});
    const auto& [x, g] = members.back();
    most = std::max(
        most, lab.cuda() ? cuda::conv2d_backward_weights_workspace<T>(x, g, filters, {}, p.options)
                         : cpu::conv2d_backward_weights_workspace<T>(x, g, filters, {}, p.options));
  }
  const std::vector<FilterGradient<T>> dw = {{p.gradient(p.dw)}};
  const Array<float> space = lab.make<float>(
      lab.cuda() ? cuda::conv2d_group_backward_weights_workspace<T>(members, dw, p.options)
                 : cpu::conv2d_group_backward_weights_workspace<T>(members, dw, p.options));
  const Array<float> for_one = lab.make<float>(most);
  Job job = p.job();
  job.run = [p, members, dw, space, &lab] {
    const std::span<const WeightsMember<T>> all = members;
    const std::span<const FilterGradient<T>> to = dw;
    KT_RUN(lab.queue(), conv2d_group_backward_weights, all, space.out(), to, p.options);
  };
  job.rivals.push_back({kOneByOne,
                        [p, members, for_one, &lab] {
                          const Conv2dScaled<T> unscaled;
                          const Span<float> none;
                          for (std::size_t i = 0; i < members.size(); ++i) {
                            KT_RUN(lab.queue(), conv2d_backward_weights, members[i].x, members[i].g,
                                   unscaled, for_one.out(), p.gradient(i == 0 ? p.dw : p.term),
                                   none, none, p.options);
                            if (i > 0) KT_RUN(lab.queue(), accumulate, p.term.span(), p.dw.out());
                          }
                        },
                        {}});
  job.output = p.dw;
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
