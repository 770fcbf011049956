// What a recovery has decided, in its folder: decisions.jsonl for programs, recovery.md for people.
#pragma once

#include <string>
#include <vector>

#include "train/recovery/judge.h"
#include "train/run_folder.h"

namespace ktrain {

// A recovery that goes on derives every decision again from the runs. One that was written before
// must come out the same, but for the time; a decision is written in one step, as a whole file.
class Decisions {
 public:
  // Reads what was written before.
  Decisions(RunFolder& folder, const Recovery& recovery);

  // `record` lacks "n" and "time", which are put in. Returns the record as it stands in the file.
  // Fault KT-REC-001 when the file has another one in this place.
  const OrderedJson& add(OrderedJson record);
  // Those that this process has derived.
  [[nodiscard]] const std::vector<OrderedJson>& records() const { return records_; }
  // Whether the last add() found its record in the file.
  [[nodiscard]] bool was_known() const { return records_.size() <= known_; }

 private:
  void write();

  RunFolder& folder_;
  const Recovery& recovery_;
  std::vector<OrderedJson> before_, records_;
  std::size_t known_ = 0;
};

// recovery.md.
[[nodiscard]] std::string decisions_markdown(const Recovery& recovery,
                                             const std::vector<OrderedJson>& records);
// A few lines for the console.
[[nodiscard]] std::string decision_text(const OrderedJson& record);

}  // namespace ktrain
