// The lanes of a walk over the tape (runtime/fork.h).
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>

#include "runtime/autograd.h"
#include "runtime/fork.h"

namespace ktrain {

// The lanes that nodes were recorded in, entered again for their gradients. What one lane has
// handed to a node is not touched by the other before both have been joined.
class WalkLanes {
 public:
  explicit WalkLanes(ContextPtr context) : context_(std::move(context)) {}

  // Before `node` is walked.
  void move_to(const Node* node) {
    if (node->lane == 0) return leave();
    lane_ = node->lane;
    if (!fork_) open();
    fork_->enter(lane_);
    meet(node);
  }
  // Before the gradient of `node` is read or added to.
  void meet(const Node* node) {
    if (!fork_) return;
    const auto [written, fresh] = written_.emplace(node, lane_);
    if (fresh || written->second == lane_) return;
    open();
    fork_->enter(lane_);
    written_.emplace(node, lane_);
  }
  // Whether the gradient of `node` may be read in this lane as it is.
  [[nodiscard]] bool is_own(const Node* node) const {
    const auto written = written_.find(node);
    return !fork_ || written == written_.end() || written->second == lane_;
  }
  void leave() {
    if (fork_) fork_->join();
    fork_.reset();
    written_.clear();
  }

 private:
  void open() {
    leave();
    fork_.emplace(context_);
  }

  ContextPtr context_;
  std::optional<Fork> fork_;
  int lane_ = 0;
  std::unordered_map<const Node*, int> written_;  // in this fork, by which lane
};

}  // namespace ktrain
