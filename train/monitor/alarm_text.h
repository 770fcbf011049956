// What an alarm says to people.
#pragma once

#include "train/monitor/alarm.h"

namespace ktrain {

// Counts of the segment that the sentence needs beside the alarm's own fields.
struct AlarmCounts {
  std::int64_t first_step = 0;
  std::int64_t conflicts = 0;
  std::int64_t harmful = 0, steps = 0;
};

[[nodiscard]] std::string alarm_text(const Alarm& alarm, const AlarmCounts& counts);

}  // namespace ktrain
