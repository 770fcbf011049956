#include "train/monitor/summary.h"

#include <algorithm>
#include <array>
#include <map>

#include "train/monitor/detection_axis.h"

namespace ktrain {
namespace {

struct Cell {
  std::string group, loss;
  SeriesMoments cosines;
  std::vector<double> taxes;
};

void judge(HarmCell& cell, const AlarmOptions& options) {
  if (cell.n < options.probes) {
    cell.reason = "few probes";
  } else if (cell.r1 > options.r1) {
    cell.reason = "serial correlation";
  } else if (cell.hi < -options.delta) {
    cell.verdict = Verdict::kConflict;
  } else if (cell.lo > -options.delta) {
    cell.verdict = Verdict::kNone;
  } else {
    cell.reason = "covers the margin";
  }
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  constexpr std::array<std::string_view, 3> kNames = {"grey", "none", "conflict"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::vector<HarmCell> who_hurts_whom(std::span<const ProbeRecord> probes,
                                     const AlarmOptions& options) {
  std::vector<Cell> cells;
  std::map<std::pair<std::string, std::string>, std::size_t> places;
  for (const ProbeRecord& probe : probes) {
    const ProbeRecord record = with_detection_summed(probe);
    for (const GroupGram& group : record.groups)
      for (std::size_t j = 1; j < record.losses.size(); ++j) {
        const auto c = cosine(step_gram(group), 0, j);
        const auto cancelled = tax(record, group, j);
        if (!c || !cancelled) continue;
        const auto [at, fresh] = places.try_emplace({group.group, record.losses[j]}, cells.size());
        if (fresh) cells.push_back({group.group, record.losses[j], {}, {}});
        cells[at->second].cosines.add(*c);
        cells[at->second].taxes.push_back(*cancelled);
      }
  }
  const auto tested = static_cast<double>(
      std::max<std::int64_t>(options.cells, static_cast<std::int64_t>(cells.size())));
  std::vector<HarmCell> all;
  for (const Cell& cell : cells) {
    const SeriesMoments& c = cell.cosines;
    const double width =
        sequence_half_width(c.n(), c.sd() * correlation_inflation(c.r1()), options.alpha / tested);
    HarmCell found{.group = cell.group,
                   .loss = cell.loss,
                   .mean = c.mean(),
                   .lo = c.mean() - width,
                   .hi = c.mean() + width,
                   .r1 = c.r1(),
                   .n = c.n(),
                   .tax = median_of(cell.taxes),
                   .reason = {}};
    judge(found, options);
    all.push_back(std::move(found));
  }
  return all;
}

}  // namespace ktrain
