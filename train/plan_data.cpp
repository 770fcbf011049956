#include "train/plan_data.h"

#include "data/presets.h"
#include "kernels/check.h"

namespace ktrain {

PairSource pair_source(const DataPlan& data, std::string_view role) {
  KT_CHECK(role == "train" || role == "val" || role == "test", "pair_source: role '{}'", role);
  PairSource source;
  source.layout = data.preset;
  source.list = list_or_own(find_preset(data.preset), role,
                            role == "train" ? data.train
                            : role == "val" ? data.val
                                            : data.test);
  source.labels = {data.positive, data.ignore, data.background};
  if (data.origin != "auto") source.origin = data.origin == "1" ? 1.0 : 0.0;
  source.boxes = data.boxes;
  source.skip_empty = data.skip_empty && role == "train";
  return source;
}

}  // namespace ktrain
