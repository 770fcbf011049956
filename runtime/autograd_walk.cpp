// The walk over the tape: latest nodes first, one gradient per node and set of cotangents.
#include <algorithm>
#include <unordered_map>

#include "kernels/check.h"
#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

// Every node that the outputs depend on, the latest first.
std::vector<Node*> reachable(std::span<const Tensor> outputs) {
  std::vector<Node*> nodes, stack;
  std::unordered_map<const Node*, bool> seen;
  const auto push = [&](Node* node) {
    if (node && seen.emplace(node, true).second) stack.push_back(node);
  };
  for (const Tensor& output : outputs) push(output.node().get());
  while (!stack.empty()) {
    Node* const node = stack.back();
    stack.pop_back();
    nodes.push_back(node);
    KT_CHECK(!node->consumed, "backward: the tape at '{}' was consumed by an earlier walk",
             node->name);
    for (const auto& input : node->inputs) push(input.get());
  }
  std::sort(nodes.begin(), nodes.end(), [](Node* a, Node* b) { return a->order > b->order; });
  return nodes;
}

// Adds `gradient` to `slot`, in place where nobody else can see the slot's memory.
void accumulate_gradient(Tensor& slot, Tensor gradient) {
  if (!slot.defined()) {
    slot = std::move(gradient);
  } else if (slot.unique()) {
    accumulate_into(slot, gradient);
  } else {
    slot = add(slot, gradient);
  }
}

class Walk {
 public:
  explicit Walk(const MultiWalk& walk) : walk_(walk), nodes_(reachable(walk.outputs)) {
    for (std::size_t i = 0; i < walk.wrt.size(); ++i) {
      Node* const node = walk.wrt[i].node().get();
      if (node) entries_[node].push_back(i), kept_[node] = true;
    }
    for (std::size_t i = 0; i < walk.watched.size(); ++i)
      if (walk.watched[i]) entries_[walk.watched[i].get()].push_back(walk.wrt.size() + i);
    find_leads();
    if (walk.consumer) count_uses();
    for (std::size_t s = 0; s < walk.sets.size(); ++s) seed(s);
  }

  std::vector<Tensor> run() {
    // In a consuming walk a node's owner may be one that was just taken apart: keep all until the
    // end.
    std::vector<std::shared_ptr<Node>> owners;
    for (Node* const node : nodes_) {
      if (node->backward && leads_[node]) visit(node);
      if (walk_.tape == Tape::kConsume && !node->is_leaf()) {
        node->backward = nullptr;
        std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(owners));
        node->inputs.clear();
        node->consumed = true;
      }
    }
    std::vector<Tensor> result;
    result.reserve(walk_.wrt.size());
    for (const Tensor& tensor : walk_.wrt) {
      const auto slot = slots_.find(tensor.node().get());
      result.push_back(slot == slots_.end() || !tensor.node() ? Tensor() : slot->second[0]);
    }
    return result;
  }

 private:
  using Slots = std::vector<Tensor>;  // one per set

  // A node leads somewhere when it is asked for itself or when one of its inputs leads somewhere.
  void find_leads() {
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node)
      leads_[*node] = kept_.contains(*node) || entries_.contains(*node) ||
                      std::any_of((*node)->inputs.begin(), (*node)->inputs.end(),
                                  [&](const auto& input) { return input && leads_[input.get()]; });
  }

  [[nodiscard]] int pass_of(const Node& node) const {
    return walk_.pass_of ? walk_.pass_of(node.part) : MultiWalk::kWhole;
  }

  void count_uses() {
    for (const Node* const node : nodes_)
      for (const auto& input : node->inputs)
        if (input && entries_.contains(input.get())) {
          ++uses_[input.get()][MultiWalk::kWhole];
          if (input->is_leaf() && pass_of(*node) >= 0) ++uses_[input.get()][pass_of(*node)];
        }
  }

  void seed(std::size_t s) {
    const CotangentSet& set = walk_.sets[s];
    KT_CHECK(walk_.outputs.size() == set.size(), "gradients: {} outputs, {} cotangents",
             walk_.outputs.size(), set.size());
    for (std::size_t i = 0; i < set.size(); ++i) {
      if (!set[i].defined()) continue;
      const Tensor& output = walk_.outputs[i];
      KT_CHECK(output.shape() == set[i].shape(), "gradients: output {} is {}, cotangent {}", i,
               output.shape().text(), set[i].shape().text());
      if (output.node() && leads_[output.node().get()])
        accumulate_gradient(slot(output.node().get(), s), set[i].detached());
    }
  }

  [[nodiscard]] Tensor& slot(const Node* node, std::size_t set) {
    Slots& slots = slots_[node];
    if (slots.empty()) slots.resize(walk_.sets.size());
    return slots[set];
  }

  void visit(Node* node) {
    const PartScope part(Part{node->part, true});
    Wanted wanted(node->inputs.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      wanted[i] = node->inputs[i] && leads_[node->inputs[i].get()];
    for (std::size_t s = 0; s < walk_.sets.size(); ++s) {
      const auto slots = slots_.find(node);
      if (slots == slots_.end()) break;
      Tensor dy = slots->second[s];
      if (!dy.defined()) continue;
      if (!kept_.contains(node) || s > 0) slots->second[s] = Tensor();
      propagate(*node, wanted, std::move(dy), s);
    }
    if (!kept_.contains(node)) slots_.erase(node);
    if (walk_.consumer)
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (wanted[i]) end_use(*node, node->inputs[i].get());
  }

  void propagate(const Node& node, const Wanted& wanted, Tensor dy, std::size_t set) {
    std::vector<Tensor> results = node.backward(dy, wanted);
    dy = Tensor();
    KT_CHECK(results.size() == wanted.size(), "backward of '{}' gave {} gradients for {} inputs",
             node.name, results.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i]) continue;
      KT_CHECK(results[i].defined(), "backward of '{}' gave no gradient for input {}", node.name,
               i);
      Node* const input = node.inputs[i].get();
      const int pass = input->is_leaf() ? pass_of(node) : MultiWalk::kWhole;
      if (pass >= 0) {
        Slots& shares = shares_[input][pass];
        if (shares.empty()) shares.resize(walk_.sets.size());
        accumulate_gradient(shares[set], results[i]);
      }
      accumulate_gradient(slot(input, set), std::move(results[i]));
    }
  }

  // One more use of `input` has been walked; tells the consumer when that was the last.
  void end_use(const Node& user, Node* input) {
    const auto uses = uses_.find(input);
    if (uses == uses_.end()) return;
    const int pass = input->is_leaf() ? pass_of(user) : MultiWalk::kWhole;
    if (pass >= 0 && --uses->second[pass] == 0) {
      const auto share = shares_[input].find(pass);
      if (share != shares_[input].end()) {
        tell(input, pass, share->second);
        shares_[input].erase(pass);
      }
    }
    if (--uses->second[MultiWalk::kWhole] > 0) return;
    const auto whole = slots_.find(input);
    if (whole == slots_.end()) return;
    tell(input, MultiWalk::kWhole, whole->second);
    if (input->is_leaf())
      for (std::size_t s = 1; s < whole->second.size(); ++s) whole->second[s] = Tensor();
  }

  void tell(const Node* node, int pass, Slots& slots) {
    if (std::none_of(slots.begin(), slots.end(), [](const Tensor& t) { return t.defined(); }))
      return;
    for (const std::size_t entry : entries_[node]) walk_.consumer(entry, pass, slots);
  }

  const MultiWalk& walk_;
  std::vector<Node*> nodes_;
  std::unordered_map<const Node*, bool> leads_, kept_;
  std::unordered_map<const Node*, std::vector<std::size_t>> entries_;
  std::unordered_map<const Node*, Slots> slots_;
  std::unordered_map<const Node*, std::unordered_map<int, Slots>> shares_;
  std::unordered_map<const Node*, std::unordered_map<int, std::int64_t>> uses_;
};

}  // namespace

std::vector<Tensor> multi_gradients(const MultiWalk& walk) {
  KT_CHECK(!walk.sets.empty(), "gradients: no set of cotangents");
  const NoGradScope no_grad;
  const MemoryUseScope use(MemoryUse::kGradients);
  return Walk(walk).run();
}

}  // namespace ktrain
