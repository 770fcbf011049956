// Every term must be shown, within its first steps, to be more than a number in the log: finite,
// reached by data, and with a gradient into what the detector trains.
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

// A pyramid, and how messages call it.
struct NamedPyramid {
  std::string name;  // "visible stream"
  std::vector<Tensor> levels;
};

// The same of the detector's own terms. They are walked back to what their head puts out alone,
// which is small; from there to the pyramids the tape is looked at, not walked, so that the watch
// takes no memory beyond what a step takes anyway.
class DetectionWatch {
 public:
  static constexpr std::int64_t kSteps = ConnectivityWatch::kSteps;

  struct Term {
    std::string name;
    // A box term: worth 0 in batches that hold nobody, which are no evidence and do not count.
    bool wants_boxes = false;
  };
  explicit DetectionWatch(const std::vector<Term>& terms);

  [[nodiscard]] bool done() const { return open_ == 0; }

  // `values` and `outputs` (what each is computed from) in the order of the terms; `pyramids` of
  // the streams; `boxes`: int32, images, how many are annotated. The tape is kept. Throws Fault,
  // with the term's name and what to do:
  //   KT-NUM-002  nothing leads from it to what its head puts out, or from there to a pyramid that
  //               is trained (at once)
  //   KT-NUM-003  its gradient is not finite (at once)
  //   KT-NUM-005  it has been 0 in kSteps steps, whose batches hold boxes where it wants them
  //   KT-NUM-006  it has a value, but its gradient has been 0 in as many
  // While planning it takes the same memory and judges nothing.
  void look(const std::vector<Tensor>& values, const std::vector<Tensor>& outputs,
            const std::vector<NamedPyramid>& pyramids, const Tensor& boxes, std::int64_t step);

 private:
  struct Seen {
    Term term;
    bool connected = false, value = false;
    std::int64_t steps = 0;
  };
  std::vector<Seen> seen_;
  std::size_t open_ = 0;
};

}  // namespace ktrain
