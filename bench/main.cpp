// kt_bench: times the kernels, of the CPU always and of CUDA where the program has them and there
// is a GPU, beside cuDNN and cuBLAS where these are.
//
//   kt_bench [--device=cpu|cuda|all] [--markdown] [--seconds=0.3] [--budget=SECONDS]
//   [--benchmark_filter=REGEX] ...
//
// --budget leaves out, and counts, the cases that begin after so many seconds. --gpu prints the
// GPU, or why there is none, and ends.
//
// Names are <device>/<family>/<op>/<shape>. With --markdown a table per device instead of Google
// Benchmark's lines, for docs/performance.md. Ends with 0; 1 when a case threw; 64 for a wrong
// command; 77 when only CUDA, or --gpu, was asked for and there is no GPU.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include <benchmark/benchmark.h>
#include <sys/utsname.h>

#include "bench/report.h"
#include "bench/rivals/products.h"
#include "kernels/fma_peak.h"
#include "kernels/gpu.h"
#include "kernels/parallel.h"
#include "kernels/profile.h"

namespace ktrain::bench {
namespace {

constexpr int kSkipped = 77;

struct Options {
  std::string device = "all";
  bool markdown = false;
  bool ask_gpu = false;
  Sampling sampling;
  double budget = std::numeric_limits<double>::infinity();  // seconds for all cases
  std::string command;
};

// Takes our options out of the command line; the rest is Google Benchmark's.
Options take_options(int& argc, char** argv) {
  Options options;
  int kept = 1;
  for (int i = 0; i < argc; ++i) options.command += fmt::format("{}{}", i ? " " : "", argv[i]);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--markdown")
      options.markdown = true;
    else if (argument == "--gpu")
      options.ask_gpu = true;
    else if (argument.starts_with("--device="))
      options.device = argument.substr(9);
    else if (argument.starts_with("--budget="))
      options.budget = std::stod(argument.substr(9));
    else if (argument.starts_with("--seconds="))
      options.sampling.seconds = std::stod(argument.substr(10));
    else
      argv[kept++] = argv[i];
  }
  argc = kept;
  return options;
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  return fmt::format("{:04d}-{:02d}-{:02d}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string gpu_text(const Gpu& gpu) {
  return fmt::format("{}, sm_{}{}, {} multiprocessors", gpu.name, gpu.major, gpu.minor,
                     gpu.multiprocessors);
}

// A device's lab, ceilings and results, made when its first benchmark runs.
struct Bench {
  Device device;
  std::string machine;
  std::unique_ptr<Lab> lab = {};
  Ceilings ceilings = {};
  std::vector<Result> results = {};
  std::int64_t left_out = 0;  // cases that the budget had no time for
};

void run_case(benchmark::State& state, Bench& bench, const Case& of, const Options& options) {
  static const double begin = monotonic_seconds();
  if (monotonic_seconds() - begin > options.budget) {
    ++bench.left_out;
    state.SkipWithError("no time left (--budget)");
    return;
  }
  if (!bench.lab) {
    bench.lab = std::make_unique<Lab>(bench.device);
    bench.ceilings = measure_ceilings(*bench.lab, options.sampling);
  }
  if (options.markdown)
    std::fprintf(stderr, "%s/%s\n", name(bench.device).data(), of.name().c_str());
  const Result result = measure(*bench.lab, of, bench.ceilings, options.sampling);
  bench.results.push_back(result);
  if (!result.error.empty()) {
    state.SkipWithError(result.error.c_str());
    return;
  }
  for (auto _ : state) state.SetIterationTime(result.timing.median);
  state.counters["GB/s"] = result.bytes / result.timing.median * 1e-9;
  if (result.flops > 0) state.counters["GFLOP/s"] = result.flops / result.timing.median * 1e-9;
  if (result.floor > 0) state.counters["of_ceiling"] = result.share();
  state.counters["p90_us"] = result.timing.p90 * 1e6;
  if (bench.device == Device::kCuda) state.counters["warm_us"] = result.timing.warm * 1e6;
  std::string label = result.product_bound ? "product" : "copy";
  for (const RivalResult& rival : result.rivals)
    label += rival.timing.samples > 0
                 ? fmt::format("; {} {:.1f} us", rival.name, rival.timing.median * 1e6)
                 : fmt::format("; {}: {}", rival.name, rival.absent);
  state.SetLabel(label);
}

void add_benchmarks(Bench& bench, const Options& options) {
  for (const Case& of : cases()) {
    if (of.cuda_only && bench.device == Device::kCpu) continue;
    benchmark::RegisterBenchmark(
        fmt::format("{}/{}", name(bench.device), of.name()).c_str(),
        [&bench, &of, &options](benchmark::State& state) { run_case(state, bench, of, options); })
        ->Iterations(1)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

// Google Benchmark's lines are not wanted beside the table.
class Silent : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

void print_tables(const std::vector<Bench>& benches, const Options& options) {
  for (const Bench& bench : benches) {
    if (bench.results.empty()) continue;
    Setting setting{today(), bench.machine, options.command, {bench.ceilings.text + "."}};
    if (bench.device == Device::kCuda)
      for (const std::string& line : rival_lines()) setting.lines.push_back(line + ".");
    std::cout << markdown(setting, bench.results);
    if (bench.left_out > 0)
      std::cout << fmt::format("- not measured, {} cases: no time left of {:.0f} s\n",
                               bench.left_out, options.budget);
    std::cout << "\n";
  }
}

int run(int argc, char** argv) {
  const Options options = take_options(argc, argv);
  if (options.device != "all" && options.device != "cpu" && options.device != "cuda") {
    std::fprintf(stderr, "kt_bench: --device=%s: wanted cpu, cuda or all\n",
                 options.device.c_str());
    return 64;
  }
  const GpuQuery found = find_gpu();
  if (options.ask_gpu) {
    std::printf("%s\n", found.gpu ? gpu_text(*found.gpu).c_str() : found.reason.c_str());
    return found.gpu ? 0 : kSkipped;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  std::vector<Bench> benches;
  if (options.device != "cuda")
    benches.push_back({Device::kCpu, fmt::format("{}, {} threads, vectors of {} bits", processor(),
                                                 num_threads(), fma_vector_bits())});
  if (options.device != "cpu") {
    if (found.gpu)
      benches.push_back({Device::kCuda, gpu_text(*found.gpu)});
    else
      std::fprintf(stderr, "no CUDA kernels are timed: %s\n", found.reason.c_str());
  }
  if (benches.empty()) {
    std::printf("SKIPPED: no GPU: %s\n", found.reason.c_str());
    return kSkipped;
  }
  for (Bench& bench : benches) add_benchmarks(bench, options);
  for (const Bench& bench : benches)
    benchmark::AddCustomContext(std::string(name(bench.device)), bench.machine);
  Silent silent;
  const std::size_t count = options.markdown ? benchmark::RunSpecifiedBenchmarks(&silent)
                                             : benchmark::RunSpecifiedBenchmarks();
  if (options.markdown) print_tables(benches, options);
  if (!options.markdown)
    for (const Bench& bench : benches)
      if (!bench.results.empty())
        std::printf("%s: %s\n", name(bench.device).data(), bench.ceilings.text.c_str());
  bool failed = count == 0;
  for (const Bench& bench : benches)
    for (const Result& result : bench.results) failed |= !result.error.empty();
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace ktrain::bench

int main(int argc, char** argv) try {
  return ktrain::bench::run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "kt_bench: %s\n", error.what());
  return 1;
}
