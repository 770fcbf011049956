// Parts of the work that need nothing of each other, side by side on a GPU.
//
//   Fork fork(context);
//   fork.enter(1);  ... one part ...
//   fork.enter(2);  ... the other ...
//   fork.join();
//
// Each part is a lane: a stream that waits for what was given before the fork, and what is given
// after the join waits for both. No lane may read or write what the other one makes or writes
// inside the fork, nor let go of a tensor that an earlier lane of its number made and that the
// other one reads here. Memory that is freed inside is used again by its own lane alone until the
// join, so that a fork needs more of it. Ops that a lane records are walked in a lane of that
// number (autograd.h). On the CPU, and with KT_LANES=1 in the environment, the parts come one after
// the other and all of this is nothing.
#pragma once

#include "runtime/context.h"

namespace ktrain {

class Fork {
 public:
  // Inside another fork it is an Error.
  explicit Fork(ContextPtr context);
  // Joins where join() has not; what that throws here ends the program. After an exception it only
  // leaves the lanes.
  ~Fork();
  Fork(const Fork&) = delete;
  Fork& operator=(const Fork&) = delete;

  // What is given from now on belongs to lane 1 to Context::kLanes; may be entered again.
  void enter(int lane);
  void join();

 private:
  void leave() noexcept;

  ContextPtr context_;
  bool open_ = false;
  int exceptions_;
};

// Two parts that need nothing of each other, in lanes 2 and 1; inside another fork, where the host
// may be in either lane, one after the other. `beside` is given first.
template <class Beside, class Main>
void side_by_side(const ContextPtr& context, const Beside& beside, const Main& main) {
  if (context->lane != 0) {
    beside();
    main();
    return;
  }
  Fork fork(context);
  fork.enter(2);
  beside();
  fork.enter(1);
  main();
  fork.join();
}

}  // namespace ktrain
