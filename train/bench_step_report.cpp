#include "train/bench_step_report.h"

#include <algorithm>
#include <fstream>
#include <ostream>

#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "kernels/fma_peak.h"
#include "kernels/parallel.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr std::string_view kBackward = ", backward";

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / kMiB; }

// The numbers that text and JSON share.
struct Summary {
  double median_ms, min_ms, max_ms, pairs_per_second;
  double flops, share_of_peak;  // of a step; 0 without parts
  double kernel_ms, outside_ms;

  explicit Summary(const BenchStepReport& report) {
    median_ms = 1e3 * median(report.seconds);
    const auto [least, most] = std::minmax_element(report.seconds.begin(), report.seconds.end());
    min_ms = 1e3 * *least;
    max_ms = 1e3 * *most;
    pairs_per_second = 1e3 * static_cast<double>(report.options.batch) / median_ms;
    flops = kernel_ms = 0;
    for (const auto& [name, entry] : report.profile.entries()) {
      flops += entry.flops;
      kernel_ms += 1e3 * entry.seconds;
    }
    outside_ms = 1e3 * report.profiled_seconds - kernel_ms;
    share_of_peak = report.fma_peak > 0 ? flops / (median_ms * 1e-3) / report.fma_peak : 0;
  }
};

Profile::Entry sum(const std::map<std::string, Profile::Entry>& kernels) {
  Profile::Entry total;
  for (const auto& [name, entry] : kernels) {
    total.calls += entry.calls;
    total.seconds += entry.seconds;
    total.flops += entry.flops;
  }
  return total;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      const auto colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  return "unknown";
}

std::string settings(const BenchStepOptions& o) {
  return fmt::format(
      "{}, resnet {}, width {}, {} channels, norm {}, precision {}, streams {}, batch {}, {} "
      "boxes, {} "
      "proposals, {} regions, fc {}",
      o.size, o.depth, o.width, o.channels, o.norm, o.precision, o.streams, o.batch, o.boxes,
      o.proposals, o.rois, o.fc_channels);
}

std::string share(double flops, double seconds, double peak) {
  return flops > 0 && seconds > 0 ? fmt::format("{:5.1f} %", 100 * flops / seconds / peak) : "";
}

void write_parts(const BenchStepReport& report, std::ostream& out) {
  out << fmt::format("\n{:<26} {:>10} {:>10} {:>10} {:>9}\n", "part", "forward", "backward",
                     "GFLOP", "of peak");
  const auto& parts = report.profile.parts();
  std::vector<std::pair<double, std::string>> rows;
  for (const auto& [name, kernels] : parts) {
    if (name.ends_with(kBackward)) {
      if (!parts.contains(name.substr(0, name.size() - kBackward.size())))
        rows.emplace_back(0, name.substr(0, name.size() - kBackward.size()));
    } else {
      rows.emplace_back(0, name);
    }
  }
  const auto total_of = [&](const std::string& name) {
    const auto found = parts.find(name);
    return found == parts.end() ? Profile::Entry() : sum(found->second);
  };
  for (auto& [seconds, name] : rows)
    seconds = total_of(name).seconds + total_of(name + std::string(kBackward)).seconds;
  std::sort(rows.rbegin(), rows.rend());
  for (const auto& [seconds, name] : rows) {
    const Profile::Entry forward = total_of(name);
    const Profile::Entry backward = total_of(name + std::string(kBackward));
    const double flops = forward.flops + backward.flops;
    out << fmt::format("{:<26} {:7.2f} ms {:7.2f} ms {:>10} {:>9}\n", name, 1e3 * forward.seconds,
                       1e3 * backward.seconds, flops > 0 ? fmt::format("{:.1f}", flops * 1e-9) : "",
                       share(flops, seconds, report.fma_peak));
  }
  out << fmt::format("{:<26} {:7.2f} ms\n", "outside kernels", Summary(report).outside_ms);
}

void write_kernels(const BenchStepReport& report, std::ostream& out) {
  out << fmt::format("\n{:<26} {:>10} {:>10} {:>10} {:>9}\n", "kernel", "calls", "time", "GFLOP",
                     "of peak");
  std::vector<std::pair<double, std::string>> rows;
  for (const auto& [name, entry] : report.profile.entries()) rows.emplace_back(entry.seconds, name);
  std::sort(rows.rbegin(), rows.rend());
  for (const auto& [seconds, name] : rows) {
    const Profile::Entry& entry = report.profile.entries().at(name);
    out << fmt::format("{:<26} {:>10} {:7.2f} ms {:>10} {:>9}\n", name, entry.calls, 1e3 * seconds,
                       entry.flops > 0 ? fmt::format("{:.1f}", entry.flops * 1e-9) : "",
                       share(entry.flops, seconds, report.fma_peak));
  }
}

std::string machine_line(const BenchStepReport& report) {
  if (!report.gpu.empty()) return fmt::format("machine   {}\n", report.gpu);
  return fmt::format(
      "machine   {}, {} threads, {:.1f} GFLOP/s of multiply-adds measured ({} bit)\n", cpu_name(),
      num_threads(), report.fma_peak * 1e-9, fma_vector_bits());
}

// What the host asked of the GPU in a timed step, on average.
std::string calls_line(const BenchStepReport& report) {
  std::string text = fmt::format("calls     of a step, in a graph of {} nodes:", report.nodes);
  const auto steps = static_cast<double>(report.seconds.size());
  for (std::size_t i = 0; i < kNumDeviceCalls; ++i)
    if (const auto count = report.calls.counts[i]; count > 0)
      text += fmt::format(" {} {:g},", name(static_cast<DeviceCall>(i)),
                          static_cast<double>(count) / steps);
  return text + fmt::format(" synchronisations in all {}, allocations {}\n",
                            report.calls[DeviceCall::kSynchronize],
                            report.calls[DeviceCall::kAllocate]);
}

void write_text(const BenchStepReport& report, std::ostream& out) {
  const Summary s(report);
  out << machine_line(report) << fmt::format("model     {}\n", settings(report.options))
      << fmt::format("          {} parameters, loss {:.4f} after the last step\n",
                     report.parameters, report.loss)
      << (report.note.empty() ? "" : fmt::format("precision {}\n", report.note))
      << fmt::format(
             "step      median {:.1f} ms, min {:.1f}, max {:.1f} over {} steps; {:.3f} "
             "pairs/s\n",
             s.median_ms, s.min_ms, s.max_ms, report.seconds.size(), s.pairs_per_second)
      << fmt::format(
             "used      {:.1f} MiB of the arena, which grew {} times in the timed steps; {:.1f} "
             "MiB peak of the process\n",
             mebibytes(report.high_water_bytes), report.growths, mebibytes(report.peak_rss_bytes))
      << (report.gpu.empty() ? "" : calls_line(report)) << memory_table(report.memory);
  if (!report.options.parts) return;
  out << fmt::format(
      "work      {:.1f} GFLOP a step, as direct convolution and matrix products have them: {:.1f} "
      "% "
      "of the measured peak at the median\n"
      "parts     of the fastest of {} more steps, {:.1f} ms\n",
      s.flops * 1e-9, 100 * s.share_of_peak, report.seconds.size(), 1e3 * report.profiled_seconds);
  write_parts(report, out);
  write_kernels(report, out);
}

nlohmann::ordered_json entry_json(const Profile::Entry& entry) {
  return {{"calls", entry.calls}, {"ms", 1e3 * entry.seconds}, {"gflop", entry.flops * 1e-9}};
}

void write_json(const BenchStepReport& report, std::ostream& out) {
  const Summary s(report);
  const BenchStepOptions& o = report.options;
  nlohmann::ordered_json object = {
      {"step_ms_median", s.median_ms},
      {"step_ms_min", s.min_ms},
      {"step_ms_max", s.max_ms},
      {"steps", report.seconds.size()},
      {"pairs_per_s", s.pairs_per_second},
      {"peak_rss_mib", mebibytes(report.peak_rss_bytes)},
      {"planned_mib", mebibytes(report.memory.usage.peak_bytes)},
      {"planned_with_gaps_mib", mebibytes(report.memory.usage.high_water_bytes)},
      {"arena_mib", mebibytes(report.high_water_bytes)},
      {"arena_growths", report.growths},
      {"parameters", report.parameters},
      {"loss", report.loss},
      {"cpu", cpu_name()},
      {"threads", num_threads()},
      {"fma_peak_gflops", report.fma_peak * 1e-9},
  };
  if (!report.gpu.empty()) {
    object["gpu"] = report.gpu;
    object["graph_nodes"] = report.nodes;
    for (std::size_t i = 0; i < kNumDeviceCalls; ++i)
      object["calls"][name(static_cast<DeviceCall>(i))] = report.calls.counts[i];
  }
  if (!report.note.empty()) object["note"] = report.note;
  object["settings"] = {{"size", o.size},           {"depth", o.depth},         {"width", o.width},
                        {"channels", o.channels},   {"proposals", o.proposals}, {"rois", o.rois},
                        {"fc", o.fc_channels},      {"streams", o.streams},     {"norm", o.norm},
                        {"precision", o.precision}, {"batch", o.batch},         {"boxes", o.boxes}};
  if (o.parts) {
    object["gflop"] = s.flops * 1e-9;
    object["share_of_fma_peak"] = s.share_of_peak;
    object["profiled_ms"] = 1e3 * report.profiled_seconds;
    object["outside_kernels_ms"] = s.outside_ms;
    for (const auto& [part, kernels] : report.profile.parts())
      object["parts"][part] = entry_json(sum(kernels));
    for (const auto& [kernel, entry] : report.profile.entries())
      object["kernels"][kernel] = entry_json(entry);
  }
  out << object.dump() << '\n';
}

}  // namespace

std::int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

void write_report(const BenchStepReport& report, std::ostream& out) {
  (report.options.json ? write_json : write_text)(report, out);
}

}  // namespace ktrain
