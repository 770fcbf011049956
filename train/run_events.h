// What TensorBoard is shown of a run: every number of scalars.jsonl, and some validation pairs with
// what was found on them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/data_set.h"
#include "train/event_file.h"
#include "train/metrics/detection.h"

namespace ktrain {

// A line of scalars.jsonl as scalars named "<kind>/<key>": train/loss, validation/map. What is no
// number (null, text, true) has none. False when the line is no record with a step.
[[nodiscard]] bool event_scalars(const std::string& line, std::int64_t& step,
                                 std::vector<EventScalar>& scalars);

// Up to `most` pairs with somebody on them, spread over the list, as places in it.
[[nodiscard]] std::vector<std::int64_t> pairs_to_show(std::span<const metrics::ImageTruth> truth,
                                                      std::int64_t most);

class RunEvents {
 public:
  // `folder` is the run's; files go to its tb/. `log` is scalars.jsonl as it stands, without lost
  // steps: its records from `first_step` on are written again, after all of that step or later in
  // older files have been taken back.
  RunEvents(const std::string& folder, std::int64_t first_step, const std::string& log,
            const Notice& notice);

  void line(const std::string& json);
  // Images "validation/<pair>". Throws Fault when an image cannot be read any more.
  void pairs(std::int64_t step, const DataSet& data, std::span<const metrics::Detections> found);

  [[nodiscard]] const EventFile& file() const { return file_; }

 private:
  EventFile file_;
};

}  // namespace ktrain
