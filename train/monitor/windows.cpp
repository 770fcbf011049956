#include "train/monitor/windows.h"

#include <algorithm>
#include <limits>

#include "runtime/fault.h"

namespace ktrain {

std::vector<SeparateWindow> separate_windows(const MonitorLog& log, std::int64_t from_step) {
  const auto probes_until = [&](std::int64_t step) {
    const auto past = std::upper_bound(
        log.probes.begin(), log.probes.end(), step,
        [](std::int64_t value, const ProbeRecord& probe) { return value < probe.step; });
    return static_cast<std::int64_t>(past - log.probes.begin());
  };
  const std::int64_t warm = probes_until(from_step - 1);
  std::vector<SeparateWindow> chosen;
  // Of windows of rising ends, the latest that fits is never a worse choice than another.
  std::int64_t free_until = std::numeric_limits<std::int64_t>::max();
  for (auto line = log.others.rbegin(); line != log.others.rend(); ++line) {
    if (line->kind != "window") continue;
    auto json = nlohmann::json::parse(line->text, nullptr, /*allow_exceptions=*/false);
    const auto covered = json.is_object() ? json.find("probes") : json.end();
    const std::int64_t last = probes_until(line->step) - 1;
    if (covered == json.end() || !covered->is_number_integer() ||
        covered->get<std::int64_t>() < 0 || covered->get<std::int64_t>() > last + 1)
      throw_fault("KT-DATA-060", "{}:{}: a window of {} probes; wanted 0 to {}, those before it",
                  log.file, line->number, covered == json.end() ? "no" : covered->dump(), last + 1);
    const std::int64_t first = last + 1 - covered->get<std::int64_t>();
    if (first > last || first < warm || last >= free_until) continue;
    free_until = first;
    chosen.push_back({line->number, line->step, first, last, std::move(json)});
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

bool includes_loss(std::string_view axis_loss, std::string_view loss) {
  while (!axis_loss.empty()) {
    const std::size_t end = axis_loss.find('+');
    if (axis_loss.substr(0, end) == loss) return true;
    axis_loss.remove_prefix(end == std::string_view::npos ? axis_loss.size() : end + 1);
  }
  return false;
}

}  // namespace ktrain
