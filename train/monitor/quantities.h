// What a probe says, under the names by which it is logged, drawn and asked for.
//
//   loss/<k>                value, unweighted
//   w/applied/<k>           weight in this step
//   g/<b>/norm/<k>          ||g_k|| in group b;  g/<b>/wnorm/<k> times its weight
//   g/<b>/cos/<i>~<j>       cosine of raw gradients;  g/<b>/pcos/<i>~<j> preconditioned
//   g/<b>/share/<k>         w_k <g_k, T> / ||T||^2, T = sum w_j g_j: parts of 1, may be < 0 or > 1
//   g/<b>/tax/<j>           fraction of detection's first-order progress that j cancels
//   g/<b>/ch/det~<j>/<c>    <g_det, g_j> over the weights of output channel c of the group's last
//                           convolution: the 8 channels most below 0, in the probe after an alarm
//   eff/<k>_from_<j>        first-order change of loss k by what j brings into the step
//   eff/pred/<k>  eff/real/<k>  eff/lin/<k>   change by the step as taken: predicted, measured on
//                           the same batch, and measured / predicted
//                           (not of a loss behind a gradient reversal: the trunk's gradient is
//                           not that of its value; neither is eff/<k>_from_<j> with it for k)
//   opt/clip  opt/clip_det  clip coefficient; what it were for detection alone
//   opt/gradient_norm  opt/lr
//   opt/rv/<b>              sqrt(sum g_det^2 / sum g_total^2) of second moments
//   feat/<lvl>/cos/<i>~<j>  cosine of cotangents at a pyramid level
//   feat/ratio_vis_ir       ||dL_det/dF_visible|| / ||dL_det/dF_thermal|| over all levels
//   probe/seconds  probe/interval
//
// Pairs stand in the order of the record's losses. Where detection comes as several losses, "det",
// their weighted sum, comes on top. A quantity has no value where it would be 0 / 0: a cosine,
// share or tax where a loss has no gradient (there its norm is 0, which was measured). It is never
// NaN.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/monitor/probe_json.h"
#include "train/monitor/probe_record.h"

namespace ktrain {

struct Quantity {
  std::string name;
  double value = 0;
  bool operator==(const Quantity&) const = default;
};

// Every quantity of the probe that has a value, in the order above, groups in theirs.
[[nodiscard]] std::vector<Quantity> quantities(const ProbeRecord& record);

// The quantity of that name, when it has a value.
[[nodiscard]] std::optional<double> quantity(const ProbeRecord& record, std::string_view name);

// What the other lines of monitor.jsonl hold, as quantities: g/<b>/xcos/<i>~<j> with .../lo and
// .../hi, g/<b>/snr/<k>, g/<b>/self/<k>, eff/loo/<j> with lo and hi, w/cfg/<k>, w/applied/<k>,
// g/<b>/ch/det~<j>/<c>,
// drift/<layer>/<what>, drift/<group>/<what>, emb/<what>. None for lines of other kinds. Throws
// Fault KT-DATA-060 for a damaged line.
[[nodiscard]] std::vector<Quantity> quantities(const MonitorLine& line, const std::string& file);

// Whether `name` fits `pattern`, in which '*' stands for any characters.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view name);

}  // namespace ktrain
