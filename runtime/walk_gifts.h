// Who has yet to give something to the gradient of a result, in a walk over the tape: the last one
// may do what the result's own ReLU would do with it (InputEnd, runtime/autograd.h).
#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/autograd.h"

namespace ktrain {

class WalkGifts {
 public:
  // `nodes` are all of the walk, `leads` says which of them it goes on from.
  WalkGifts(std::span<Node* const> nodes, const std::unordered_map<const Node*, bool>& leads,
            std::size_t sets)
      : passed_(sets) {
    for (const Node* const node : nodes)
      if (node->has_backward() && leads.at(node))
        for (const auto& input : node->inputs)
          if (input && leads.at(input.get())) {
            std::vector<Due>& due = due_[input.get()];
            due.resize(sets);
            for (Due& of_set : due) ++of_set.gifts;
          }
  }

  // `node` has given what it gives in this set, if anything. Told twice, it counts once.
  void pass(const Node& node, std::size_t set) {
    if (!passed_[set].insert(&node).second) return;
    for (const auto& input : node.inputs)
      if (const auto due = due_.find(input.get()); due != due_.end()) --due->second[set].gifts;
  }
  // Whether one node alone has yet to give to `result`.
  [[nodiscard]] bool is_last(const Node* result, std::size_t set) const {
    return due_.at(result)[set].gifts == 1;
  }
  // The gradient of `result` has been through its ReLU.
  void rectify(const Node* result, std::size_t set) { due_.at(result)[set].rectified = true; }
  [[nodiscard]] bool is_rectified(const Node* result, std::size_t set) const {
    const auto due = due_.find(result);
    return due != due_.end() && due->second[set].rectified;
  }

 private:
  struct Due {
    int gifts = 0;
    bool rectified = false;
  };
  std::unordered_map<const Node*, std::vector<Due>> due_;
  std::vector<std::unordered_set<const Node*>> passed_;
};

}  // namespace ktrain
