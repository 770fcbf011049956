#include "bench/measure.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>

#include "bench/rivals/products.h"
#include "kernels/elementwise.h"
#include "kernels/fma_peak.h"
#include "kernels/profile.h"
#if KT_CUDA_ENABLED
#include "kernels/device/timer.h"
#endif

namespace ktrain::bench {
namespace {

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

// Seconds that `launches` runs in a row take, each.
double seconds_of(const Lab& lab, const std::function<void()>& run, int launches, bool cold) {
  if (cold) lab.evict();
#if KT_CUDA_ENABLED
  if (lab.cuda()) {
    static const auto timer = std::make_unique<GpuTimer>();
    timer->start(lab.stream());
    for (int i = 0; i < launches; ++i) run();
    timer->stop(lab.stream());
    return timer->seconds() / launches;
  }
#endif
  const double begin = monotonic_seconds();
  for (int i = 0; i < launches; ++i) run();
  return (monotonic_seconds() - begin) / launches;
}

// One of those that take turns.
struct Contestant {
  const std::function<void()>* run;
  std::vector<double> cold, warm;
  int launches = 1;  // a row of them is long enough for the clock
};

// The first run loads kernels and makes primitives, the second says how long one takes.
void warm_up(const Lab& lab, Contestant& c) {
  constexpr double kRow = 1e-3;
  constexpr int kMost = 1000;
  (*c.run)();
  lab.wait();
  const double seconds = seconds_of(lab, *c.run, 1, false);
  const int most = lab.cuda() ? 20 : kMost;
  c.launches = std::clamp(static_cast<int>(kRow / std::max(seconds, 1e-9)), 1, most);
}

void take_turns(const Lab& lab, std::vector<Contestant>& contestants, const Sampling& sampling) {
  for (Contestant& c : contestants) warm_up(lab, c);
  const double end =
      monotonic_seconds() + sampling.seconds * static_cast<double>(contestants.size());
  for (int round = 0; round < sampling.most; ++round) {
    if (round >= sampling.least && monotonic_seconds() >= end) return;
    for (Contestant& c : contestants) {
      if (lab.cuda()) c.cold.push_back(seconds_of(lab, *c.run, 1, true));
      c.warm.push_back(seconds_of(lab, *c.run, c.launches, false));
    }
  }
}

// How far a rival's result is from ours, relative to its length; of the first numbers.
double difference(const Lab& lab, const Job& job, const Rival& rival) {
  constexpr std::int64_t kCompared = 4096;
  const auto result_of = [&](const std::function<void()>& run) {
    KT_RUN(lab.queue(), fill, job.output.out(), 0.0);
    run();
    lab.wait();
    return lab.to_host(job.output, kCompared);
  };
  const std::vector<float> ours = result_of(job.run), theirs = result_of(rival.run);
  double length = 0, distance = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double a = ours[i], b = job.relu ? std::max(theirs[i], 0.0f) : theirs[i];
    length += a * a;
    distance += (a - b) * (a - b);
  }
  return length > 0 ? std::sqrt(distance / length) : distance;
}

// Empty, or why the rival is not timed.
std::string refusal(const Lab& lab, const Job& job, const Rival& rival) {
  constexpr double kMost = 1e-2;  // tf32 keeps 10 bits, which over a sum come to 5e-4 or so
  if (!rival.absent.empty()) return rival.absent;
  if (job.output.size() == 0 || rival.own_arrays) return {};
  const double found = difference(lab, job, rival);
  return found <= kMost ? "" : fmt::format("its result is {:.2g} away from ours", found);
}

double best_rate(const Lab& lab, const std::function<void()>& run, double amount) {
  run();
  lab.wait();
  double best = 0;
  for (int i = 0; i < 20; ++i) best = std::max(best, amount / seconds_of(lab, run, 1, true));
  return best;
}

double copy_rate(const Lab& lab) {
  const std::int64_t size = lab.scaled(lab.cuda() ? 128 << 20 : 64 << 20);
  const Array<float> from = lab.normal(size), to = lab.make<float>(size);
  return best_rate(
      lab, [&] { KT_RUN(lab.queue(), copy, from.span(), to.out()); },
      2.0 * static_cast<double>(from.bytes()));
}

#if KT_CUDA_ENABLED
// The fastest product of the precision, and whose it is.
std::pair<double, std::string> product_rate(const Lab& lab, Precision precision) {
  const std::int64_t n = lab.scaled(4096);
  const Array<float> a = lab.normal(n * n, 1), b = lab.normal(n * n, 2), c = lab.make<float>(n * n);
  const double flops =
      2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  const ProductArrays arrays{a.rows(n), b.rows(n), c.out_rows(n), {}};
  std::pair<double, std::string> best{0, "none"};
  for (const Rival& rival : product_rivals(lab, arrays, precision))
    if (rival.absent.empty()) best = std::max(best, {best_rate(lab, rival.run, flops), rival.name});
  if (precision != Precision::kFloat) return best;
  const Array<float> workspace =
      lab.make<float>(cuda::gemm_workspace<float>(arrays.a, arrays.b, {}, arrays.c, {}));
  const auto ours = [&] {
    cuda::gemm<float>(lab.stream(), arrays.a, arrays.b, {}, workspace.out(), arrays.c, {});
  };
  return std::max(best, {best_rate(lab, ours, flops), "our own product"});
}
#endif

}  // namespace

Timing summarize(std::vector<double> cold, std::vector<double> warm) {
  const double in_a_row = quantile(warm, 0.5);
  const std::vector<double>& of = cold.empty() ? warm : cold;
  return {quantile(of, 0.5), quantile(of, 0.1), quantile(of, 0.9), in_a_row,
          static_cast<int>(of.size())};
}

void set_floor(Result& result, const Ceilings& ceilings) {
  const auto found = ceilings.product.find(result.precision);
  const double product = found == ceilings.product.end() ? 0 : found->second;
  const double moved = ceilings.copy > 0 ? result.bytes / ceilings.copy : 0;
  const double worked = product > 0 ? result.flops / product : 0;
  result.floor = std::max(moved, worked);
  result.product_bound = worked > moved;
}

Ceilings measure_ceilings(const Lab& lab, const Sampling& sampling) {
  Ceilings ceilings;
  ceilings.copy = copy_rate(lab);
  std::string products;
#if KT_CUDA_ENABLED
  if (lab.cuda())
    for (const Precision p : {Precision::kFloat, Precision::kTf32, Precision::kBf16}) {
      const auto [rate, whose] = product_rate(lab, p);
      if (rate <= 0) continue;
      ceilings.product[p] = rate;
      products +=
          fmt::format(", {:.1f} TFLOP/s of {} ({}, 4096 square)", rate * 1e-12, name(p), whose);
    }
#endif
  if (!lab.cuda()) {
    ceilings.product[Precision::kFloat] = measure_fma_peak(sampling.seconds > 0 ? 20 : 1);
    products = fmt::format(", {:.0f} GFLOP/s of multiply-adds out of registers",
                           ceilings.product[Precision::kFloat] * 1e-9);
  }
  ceilings.text =
      fmt::format("copy {:.1f} GB/s read and written{}", ceilings.copy * 1e-9, products);
  return ceilings;
}

Result measure(const Lab& lab, const Case& of, const Ceilings& ceilings, const Sampling& sampling) {
  Result result;
  result.family = of.family;
  result.op = of.op;
  result.shape = of.shape;
  result.device = lab.queue().device;
  try {
    const Job job = of.prepare(lab);
    result.bytes = job.bytes;
    result.flops = job.flops;
    result.precision = job.precision;
    std::vector<Contestant> contestants{{&job.run, {}, {}}};
    for (const Rival& rival : job.rivals) {
      result.rivals.push_back({rival.name, {}, refusal(lab, job, rival)});
      if (result.rivals.back().absent.empty()) contestants.push_back({&rival.run, {}, {}});
    }
    take_turns(lab, contestants, sampling);
    lab.wait();
    std::size_t next = 0;
    result.timing = summarize(contestants[next].cold, contestants[next].warm);
    for (RivalResult& rival : result.rivals)
      if (rival.absent.empty()) {
        ++next;
        rival.timing = summarize(contestants[next].cold, contestants[next].warm);
      }
    set_floor(result, ceilings);
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  return result;
}

}  // namespace ktrain::bench
