#include "bench/report.h"

#include <map>
#include <set>

namespace ktrain::bench {
namespace {

std::string time_text(double seconds) {
  if (seconds <= 0) return "";
  const double micro = seconds * 1e6;
  return micro < 100   ? fmt::format("{:.1f} us", micro)
         : micro < 1e4 ? fmt::format("{:.0f} us", micro)
         : micro < 1e5 ? fmt::format("{:.1f} ms", micro * 1e-3)
                       : fmt::format("{:.0f} ms", micro * 1e-3);
}

// The rivals that ran, each with its time and how many times ours goes into it.
std::string rivals_text(const Result& result) {
  std::string text;
  for (const RivalResult& rival : result.rivals) {
    if (rival.timing.samples == 0) continue;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {} ({:.2f}x)", rival.name, time_text(rival.timing.median),
                        rival.timing.median / result.timing.median);
  }
  return text;
}

std::string row(const Result& r) {
  const bool gpu = r.device == Device::kCuda;
  const double bytes = r.bytes / r.timing.median * 1e-9;
  const double flops = r.flops / r.timing.median * 1e-9;
  return fmt::format(
      "| {} {} | {} | {} | {} to {} | {}{:.1f} | {} | {} | {} |\n", r.family, r.op, r.shape,
      time_text(r.timing.median), time_text(r.timing.p10), time_text(r.timing.p90),
      gpu ? time_text(r.timing.warm) + " | " : "", bytes,
      flops > 0 ? fmt::format("{:.1f}", flops) : "",
      r.floor > 0 ? fmt::format("{:.2f} {}", r.share(), r.product_bound ? "product" : "copy") : "",
      rivals_text(r));
}

}  // namespace

std::string markdown(const Setting& setting, const std::vector<Result>& results) {
  std::string text =
      fmt::format("{}, {} (`{}`).\n", setting.date, setting.machine, setting.command);
  for (const std::string& line : setting.lines) text += line + "\n";
  const bool gpu = !results.empty() && results.front().device == Device::kCuda;
  text += fmt::format(
      "\n| kernel | shape | {} | p10 to p90 |{} GB/s | GFLOP/s | of ceiling | rivals "
      "|\n|---|---|---|---|{}---|---|---|---|\n",
      gpu ? "cold" : "time", gpu ? " warm |" : "", gpu ? "---|" : "");
  std::map<std::string, std::set<std::string>> absent;
  std::string errors;
  for (const Result& result : results) {
    if (!result.error.empty()) {
      errors += fmt::format("- FAILED: {} {} {}: {}\n", result.family, result.op, result.shape,
                            result.error);
      continue;
    }
    text += row(result);
    for (const RivalResult& rival : result.rivals)
      if (!rival.absent.empty())
        absent[rival.name + ": " + rival.absent].insert(result.op + " " + result.shape);
  }
  if (!absent.empty() || !errors.empty()) text += "\n";
  for (const auto& [reason, where] : absent)
    text += where.size() == 1 ? fmt::format("- not measured: {}, {}\n", *where.begin(), reason)
                              : fmt::format("- not measured, {} cases: {}\n", where.size(), reason);
  return text + errors;
}

}  // namespace ktrain::bench
