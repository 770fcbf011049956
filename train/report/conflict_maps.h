// Heat maps layer group x time of the cosines between losses.
#pragma once

#include "train/report/conflict.h"
#include "train/report/html.h"

namespace ktrain::report {

// <figure> with the maps of every pair of losses, on one scale; "" when there is none. The cells'
// numbers go into data["xcos"] and data["pcos"]. A colour is shown only where the interval that
// holds for all cells of the map together excludes 0.
[[nodiscard]] std::string conflict_maps(const RunData& run, const Conflict& conflict,
                                        const std::string& id, Figures& figures, Json& data);

// "-0.31 [-0.4, -0.22], for all 9 cells [-0.5, -0.1], n = 48".
[[nodiscard]] std::string interval_text(const Estimate& estimate, std::size_t cells);

}  // namespace ktrain::report
