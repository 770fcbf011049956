// The walk over the tape: latest nodes first, one gradient per node and set of cotangents.
#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "kernels/check.h"
#include "kernels/profile.h"
#include "kernels/subnormals.h"
#include "runtime/autograd.h"
#include "runtime/ops.h"
#include "runtime/walk_gifts.h"
#include "runtime/walk_lanes.h"

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
    if (walk.replaced > 0) find_parts();
    if (walk.consumer) count_uses();
    if (walk.late && walk.sets.size() > 1) find_late();
    for (std::size_t s = 0; s < walk.sets.size(); ++s) seed(s);
    if (walk.takeovers) gifts_.emplace(nodes_, leads_, walk.sets.size());
    if (walk.sets.size() > 1 || walk.consumer || walk.outputs.empty()) return;
    lanes_.emplace(walk.outputs[0].context());
  }

  std::vector<Tensor> run() {
    for (std::size_t at = 0; at < nodes_.size(); ++at) {
      Node* const node = nodes_[at];
      finish_users(node);
      tell_on_arrival(node);
      if (walk_.replaced > 0) go_ahead(at);
      const bool walked = node->has_backward() && leads_[node];
      const auto late = late_.find(node);
      if (walked && lanes_) lanes_->move_to(node);
      if (walked) visit(node, 0, late == late_.end() ? walk_.sets.size() : 1);
      if (walked && late != late_.end()) {
        late->second = true;
        continue;
      }
      if (walked) end_uses(node);
      consume(node);
    }
    for (Node* const node : nodes_) finish(node);
    if (lanes_) lanes_->leave();
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
                      std::ranges::any_of((*node)->depends_on(), [&](const Node* input) {
                        return input && leads_[input];
                      });
  }

  [[nodiscard]] bool watched(const Node* node) const {
    const auto entries = entries_.find(node);
    return entries != entries_.end() && entries->second.back() >= walk_.wrt.size();
  }

  // The same without passing a watched result.
  void find_parts() {
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node)
      parts_[*node] = kept_.contains(*node) ||
                      std::ranges::any_of((*node)->depends_on(),
                                          [&](const Node* input) { return in_part(input); });
  }
  [[nodiscard]] bool in_part(const Node* input) {
    return input != nullptr && !watched(input) && parts_[input];
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

  void find_late() {
    for (Node* const node : nodes_) {
      if (!walk_.late(*node)) continue;
      late_[node] = false;
      for (const auto& input : node->inputs)
        if (input) late_users_[input.get()].push_back(node);
    }
  }

  // Before `node` is walked: those that hand gradients to it and have waited, the latest first.
  void finish_users(Node* node) {
    if (late_.empty()) return;
    std::vector<Node*> waiting, stack = {node};
    while (!stack.empty()) {
      const auto users = late_users_.find(stack.back());
      stack.pop_back();
      if (users == late_users_.end()) continue;
      for (Node* const user : users->second)
        if (late_.at(user) && std::find(waiting.begin(), waiting.end(), user) == waiting.end()) {
          waiting.push_back(user);
          stack.push_back(user);
        }
    }
    std::sort(waiting.begin(), waiting.end(), [](Node* a, Node* b) { return a->order > b->order; });
    for (Node* const user : waiting) finish(user);
  }

  // The sets after the first of a node that has waited.
  void finish(Node* node) {
    const auto late = late_.find(node);
    if (late == late_.end() || !late->second) return;
    late->second = false;
    visit(node, 1, walk_.sets.size());
    end_uses(node);
    consume(node);
  }

  void consume(Node* node) {
    if (walk_.tape != Tape::kConsume || node->is_leaf()) return;
    node->backward = nullptr;
    node->results_backward = nullptr;
    std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(owners_));
    node->inputs.clear();
    node->consumed = true;
  }

  [[nodiscard]] Wanted wanted(const Node& node) {
    Wanted wanted(node.inputs.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      wanted.set(i, node.inputs[i] && leads_[node.inputs[i].get()]);
    return wanted;
  }

  // Takes the replaced set as far as MultiWalk::ahead_of lets it, when the others are at node `at`.
  void go_ahead(std::size_t at) {
    for (ahead_ = std::max(ahead_, at); ahead_ < nodes_.size(); ++ahead_) {
      Node* const node = nodes_[ahead_];
      if (node->order <= walk_.ahead_of || (watched(node) && !told_.contains(node))) return;
      if (node->has_backward() && leads_[node]) visit_replaced(node);
    }
  }

  void visit_replaced(Node* node) {
    const PartScope part(Part{node->part, true});
    Wanted within = wanted(*node);
    for (std::size_t i = 0; i < within.size(); ++i)
      within.set(i, within[i] && in_part(node->inputs[i].get()));
    visit(node, within, walk_.replaced);
  }

  // The sets [begin, end). The one that ends at watched results comes first: it needs less memory.
  void visit(Node* node, std::size_t begin, std::size_t end) {
    const PartScope part(Part{node->part, true});
    const Wanted wanted = this->wanted(*node);
    const std::size_t first = walk_.replaced;
    if (first > 0 && first >= begin && first < end) visit_replaced(node);
    for (std::size_t s = begin; s < end; ++s)
      if (s != first || first == 0) visit(node, wanted, s);
    if (end == walk_.sets.size())
      for (const Node* const result : node->results())
        if (!kept_.contains(result)) slots_.erase(result);
  }

  // The gradients of the results of `node`, which leave their slots unless they were asked for.
  [[nodiscard]] std::vector<Tensor> take(const Node* node, std::size_t s) {
    std::vector<Tensor> dys;
    for (const Node* const result : node->results()) {
      const auto slots = slots_.find(result);
      dys.push_back(slots == slots_.end() ? Tensor() : slots->second[s]);
      if (dys.back().defined() && (!kept_.contains(result) || s > 0)) slots->second[s] = Tensor();
    }
    return dys;
  }

  void visit(Node* node, const Wanted& wanted, std::size_t s) {
    hand_down(node, wanted, s);
    if (gifts_) gifts_->pass(*node, s);
  }

  void hand_down(Node* node, const Wanted& wanted, std::size_t s) {
    std::vector<Tensor> dys = take(node, s);
    if (std::ranges::none_of(dys, &Tensor::defined)) return;
    if (!wanted.any()) return;
    // Sets after the first are looked at, not trained on, and are sparse more often than not.
    const FlushSubnormals flush(s > 0);
    propagate(*node, wanted, std::move(dys), s);
  }

  void end_uses(Node* node) {
    if (!walk_.consumer) return;
    const Wanted wanted = this->wanted(*node);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i]) end_use(*node, node->inputs[i].get());
  }

  // What the op of `node` may take over for one of its inputs. Bits do not depend on it: an op does
  // what the walk and the input's own op would have done, in their order. The ReLU's part falls to
  // the last one to hand something to a result that nobody else sees.
  [[nodiscard]] std::optional<InputEnd> end_of(const Node* input, std::size_t set) {
    InputEnd end;
    const auto slots = slots_.find(input);
    const bool there = slots != slots_.end() && slots->second[set].defined();
    if (there && lanes_ && !lanes_->is_own(input)) return std::nullopt;
    if (there) end.add = slots->second[set];
    end.positive = input->rectifies && !entries_.contains(input) && gifts_->is_last(input, set);
    return end;
  }

  // After the op took over the end of `input`.
  void replace(Node* input, const InputEnd& end, Tensor gradient, std::size_t set) {
    if (lanes_) lanes_->meet(input);
    slot(input, set) = std::move(gradient);
    if (end.positive) gifts_->rectify(input, set);
  }

  void offer_ends(const Node& node, Wanted& wanted, std::size_t set) {
    const std::vector<const Node*> own = node.results();
    for (std::size_t r = 0; r < own.size(); ++r)
      if (gifts_->is_rectified(own[r], set)) wanted.set_rectified(r);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i] && !node.inputs[i]->is_leaf() &&
          std::count(node.inputs.begin(), node.inputs.end(), node.inputs[i]) == 1)
        wanted.offer(i, end_of(node.inputs[i].get(), set));
  }

  void propagate(const Node& node, Wanted wanted, std::vector<Tensor> dys, std::size_t set) {
    if (gifts_) offer_ends(node, wanted, set);
    const std::vector<bool> owed = node.owed_inputs(dys);
    std::vector<Tensor> results = node.backward ? node.backward(dys[0], wanted)
                                                : node.results_backward(std::move(dys), wanted);
    wanted.release();
    dys.clear();
    KT_CHECK(results.size() == wanted.size(), "backward of '{}' gave {} gradients for {} inputs",
             node.name, results.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i]) continue;
      if (!owed[i] && !results[i].defined()) continue;
      KT_CHECK(results[i].defined(), "'{}' gave no gradient for input {}", node.name, i);
      Node* const input = node.inputs[i].get();
      if (const InputEnd* const end = wanted.taken(i)) {
        replace(input, *end, std::move(results[i]), set);
        continue;
      }
      const int pass = input->is_leaf() ? pass_of(node) : MultiWalk::kWhole;
      if (pass >= 0) {
        Slots& shares = shares_[input][pass];
        if (shares.empty()) shares.resize(walk_.sets.size());
        accumulate_gradient(shares[set], results[i]);
      }
      if (lanes_) lanes_->meet(input);
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
    if (whole == slots_.end() || told_on_arrival(input)) return;
    tell(input, MultiWalk::kWhole, whole->second);
    if (input->is_leaf())
      for (std::size_t s = 1; s < whole->second.size(); ++s) whole->second[s] = Tensor();
  }

  // A watched result is told of no sooner than it must be: what the consumer puts there takes room.
  [[nodiscard]] bool told_on_arrival(const Node* node) const {
    return watched(node) && node->order <= walk_.ahead_of;
  }
  void tell_on_arrival(const Node* node) {
    if (!walk_.consumer || !told_on_arrival(node)) return;
    const auto whole = slots_.find(node);
    if (whole != slots_.end()) tell(node, MultiWalk::kWhole, whole->second);
  }

  void tell(const Node* node, int pass, Slots& slots) {
    if (std::ranges::none_of(slots, &Tensor::defined)) return;
    if (walk_.replaced > 0) told_.insert(node);
    for (const std::size_t entry : entries_[node]) walk_.consumer(entry, pass, slots);
  }

  const MultiWalk& walk_;
  std::vector<Node*> nodes_;
  std::unordered_map<const Node*, bool> leads_, parts_, kept_;
  std::unordered_map<const Node*, std::vector<std::size_t>> entries_;
  std::unordered_map<const Node*, Slots> slots_;
  std::unordered_map<const Node*, std::unordered_map<int, Slots>> shares_;
  std::unordered_map<const Node*, std::unordered_map<int, std::int64_t>> uses_;
  std::unordered_map<const Node*, bool> late_;  // whether it waits
  std::unordered_map<const Node*, std::vector<Node*>> late_users_;
  std::unordered_set<const Node*> told_;
  std::optional<WalkGifts> gifts_;
  std::optional<WalkLanes> lanes_;  // of a walk that nobody watches
  std::size_t ahead_ = 0;           // nodes before it have been walked in the replaced set
  // In a consuming walk a node's owner may be one that was just taken apart: all stay to the end.
  std::vector<std::shared_ptr<Node>> owners_;
};

}  // namespace

std::vector<Tensor> multi_gradients(const MultiWalk& walk) {
  KT_CHECK(!walk.sets.empty(), "gradients: no set of cotangents");
  const NoGradScope no_grad;
  const MemoryUseScope use(MemoryUse::kGradients);
  return Walk(walk).run();
}

}  // namespace ktrain
