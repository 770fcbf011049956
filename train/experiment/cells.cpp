#include "train/experiment/cells.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/check.h"

namespace ktrain::experiment {
namespace {

Cell make_cell(std::int64_t seed, const std::string& plan, const std::string& folder) {
  Cell cell;
  cell.seed = seed;
  cell.plan = plan;
  cell.folder = folder;
  return cell;
}

void finish(Cell& cell) {
  cell.set.push_back(fmt::format("seed={}", cell.seed));
  cell.set.push_back("output.dir=" + cell.folder);
}

}  // namespace

std::string Cell::label() const {
  return warm() ? fmt::format("seed {}, warm start", seed)
                : fmt::format("seed {}, {}, {}", seed, quality, arm);
}

std::string experiment_folder(const Design& design, const std::string& runs) {
  return runs + "/" + design.name;
}

std::vector<Cell> cells_of(const Design& design, const std::string& runs) {
  const std::string base = experiment_folder(design, runs);
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < design.seeds.size(); ++i) {
    const std::int64_t seed = design.seeds[i];
    Cell warm = make_cell(seed, design.warm, fmt::format("{}/warm/seed_{}", base, seed));
    finish(warm);
    cells.push_back(warm);
    for (const Arm& arm : design.arms) {
      if (static_cast<std::int64_t>(i) >= arm.seeds) continue;
      for (const std::string& quality : arm.qualities) {
        Cell cell = make_cell(seed, design.arm,
                              fmt::format("{}/{}/{}/seed_{}", base, quality, arm.name, seed));
        cell.quality = quality;
        cell.arm = arm.name;
        cell.set = design.quality(quality).set;
        cell.set.insert(cell.set.end(), arm.set.begin(), arm.set.end());
        finish(cell);
        cells.push_back(cell);
      }
    }
  }
  return cells;
}

const Cell& warm_start_of(const std::vector<Cell>& cells, const Cell& arm) {
  const auto at = std::find_if(cells.begin(), cells.end(),
                               [&](const Cell& c) { return c.warm() && c.seed == arm.seed; });
  KT_CHECK(at != cells.end(), "cells: no warm start of seed {}", arm.seed);
  return *at;
}

Strings with_start(const Cell& arm, const std::string& file) {
  Strings set = arm.set;
  set.push_back("init.checkpoint=" + file);
  return set;
}

}  // namespace ktrain::experiment
