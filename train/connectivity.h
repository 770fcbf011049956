// Every auxiliary term must be shown, within its first steps, to be more than a number in the log:
// finite, reached by data, and with a gradient into the features that the detector trains.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/auxiliary/auxiliary.h"
#include "train/objective.h"

namespace ktrain {

class ConnectivityWatch {
 public:
  static constexpr std::int64_t kSteps = 20;

  // `detached`: those that a control of the plan cuts off from the features on purpose.
  explicit ConnectivityWatch(const std::vector<std::string>& terms,
                             const std::vector<std::string>& detached = {});

  // True when every term has been shown to be connected: nothing is looked at any more.
  [[nodiscard]] bool done() const { return open_ == 0; }

  // Takes the gradient of each term that is still open at the pyramids of this pass (of both
  // streams and fused); the tape is kept. `terms` are the auxiliary ones, `results` theirs, in the
  // order of the names. Throws Fault, with the term's name and what to do:
  //   KT-NUM-002  it depends on no feature that is trained (at once)
  //   KT-NUM-003  its gradient is not finite (at once)
  //   KT-NUM-004  no pair has arrived in kSteps steps
  //   KT-NUM-005  pairs arrive, but its value has been 0 all the time
  //   KT-NUM-006  it has a value, but its gradient has been 0 all the time
  // While planning it takes the same memory and judges nothing.
  void look(const std::vector<LossTerm>& terms, const std::vector<AuxiliaryResult>& results,
            const std::vector<Tensor>& pyramids, std::int64_t step);

 private:
  struct Seen {
    std::string name;
    bool connected = false, rows = false, value = false;
    std::int64_t steps = 0;
  };
  void judge(const Seen& seen, std::int64_t step) const;

  std::vector<Seen> seen_;
  std::size_t open_ = 0;
};

}  // namespace ktrain
