// Reverse-mode differentiation over an eager tape.
//
// An op computes its result and calls `record`; `backward` walks the tape and *returns* gradients.
// It never writes into a parameter or a saved tensor, so the same tape may be walked once per loss.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/parameters.h"
#include "runtime/tensor.h"

namespace ktrain {

// What an op may take over where it writes the gradient of an input: to add what others gave to
// that input before (undefined: nobody), then to let through only where the input is above 0, since
// a ReLU made it. In this order and with separate roundings: the bits are as if it had not.
struct InputEnd {
  Tensor add;
  bool positive = false;
};

// Which inputs of an op want a gradient in this walk, and what the op may take over.
class Wanted {
 public:
  explicit Wanted(std::size_t inputs) : flags_(inputs) {}

  [[nodiscard]] bool operator[](std::size_t i) const { return flags_[i]; }
  [[nodiscard]] std::size_t size() const { return flags_.size(); }
  [[nodiscard]] bool any() const {
    return std::find(flags_.begin(), flags_.end(), true) != flags_.end();
  }

  // The op takes over the end of input i, where there is one for it, and returns the gradient with
  // it. Where there is none, nothing is to be done.
  [[nodiscard]] InputEnd take_end(std::size_t i) const {
    if (i >= ends_.size() || !ends_[i]) return {};
    taken_[i] = true;
    return *ends_[i];
  }
  // Whether dy of a result has been through the ReLU of the op itself, which is then one that says
  // `rectifies`.
  [[nodiscard]] bool rectified(std::size_t result = 0) const {
    return result < rectified_.size() && rectified_[result];
  }

  // For the walk.
  void set(std::size_t i, bool wanted) { flags_[i] = wanted; }
  void set_rectified(std::size_t result) {
    rectified_.resize(std::max(rectified_.size(), result + 1));
    rectified_[result] = true;
  }
  void offer(std::size_t i, std::optional<InputEnd> end) {
    ends_.resize(flags_.size());
    taken_.resize(flags_.size());
    ends_[i] = std::move(end);
  }
  void release() {
    for (std::optional<InputEnd>& end : ends_)
      if (end) end->add = Tensor();
  }
  [[nodiscard]] const InputEnd* taken(std::size_t i) const {
    return i < taken_.size() && taken_[i] ? &*ends_[i] : nullptr;
  }

 private:
  std::vector<bool> flags_, rectified_;
  std::vector<std::optional<InputEnd>> ends_;
  mutable std::vector<bool> taken_;
};

// Gradients of an op's inputs from the gradient of its output. One entry per input; the entry of an
// input that is not wanted may be undefined. May return `dy` itself. Must not write into `dy` or
// into anything it saved.
using BackwardFunction = std::function<std::vector<Tensor>(const Tensor& dy, const Wanted& wanted)>;

// The same of an op with several results, from one gradient each: undefined where nothing reaches
// the result, and not all are. Letting go of one early gives its memory back. An input's gradient
// may be undefined where it depends on no result that has one.
using ResultsBackward =
    std::function<std::vector<Tensor>(std::vector<Tensor> dys, const Wanted& wanted)>;

// One op on the tape. Inputs are null where no gradient flows.
//
// Each result of an op with several has a node of its own, a port: its only input is the op's node,
// which takes what the walk has left with its ports. A port has no backward.
struct Node {
  const char* name = "leaf";
  const char* part = "";   // for the profile; see kernels/profile.h
  std::int64_t order = 0;  // later nodes depend on earlier ones only
  int lane = 0;            // it was recorded in; see runtime/fork.h
  std::vector<std::shared_ptr<Node>> inputs;
  BackwardFunction backward;
  ResultsBackward results_backward;        // in its place
  std::vector<std::weak_ptr<Node>> ports;  // by result; empty where one is untied or gone
  std::vector<std::size_t> from;           // of a port: inputs of the op that its result depends on
  bool consumed = false;
  bool rectifies = false;  // the result is 0 or above, and no gradient passes where it is 0

  Node() = default;
  ~Node();  // takes a long chain of inputs apart without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  [[nodiscard]] bool has_backward() const { return backward || results_backward; }
  [[nodiscard]] bool is_leaf() const { return inputs.empty() && !has_backward() && !consumed; }
  // The nodes that its value depends on directly, null ones among them. Those of a port are inputs
  // of the op: not what the other results alone depend on.
  [[nodiscard]] std::vector<Node*> depends_on() const;
  // Itself or its ports, null where there is none: those that gradients of its results are left at.
  [[nodiscard]] std::vector<const Node*> results() const;
  // Which inputs must get a gradient, from one gradient per result: those of results that have one.
  [[nodiscard]] std::vector<bool> owed_inputs(const std::vector<Tensor>& dys) const;
};

[[nodiscard]] std::shared_ptr<Node> make_leaf();

// `y` tied to its inputs. When no input requires a gradient, or inside a NoGradScope, `y` comes
// back untied and `backward`, with everything it saved, is dropped at once. Inputs may be
// undefined.
[[nodiscard]] Tensor record(const char* name, std::initializer_list<Tensor> inputs, Tensor y,
                            BackwardFunction backward);
[[nodiscard]] Tensor record(const char* name, const std::vector<Tensor>& inputs, Tensor y,
                            BackwardFunction backward);

// One result of an op, and which of the op's inputs it depends on.
struct OpResult {
  Tensor y;
  std::vector<std::size_t> from;
};
// The results of one op, tied to its inputs: in their order, each untied when it depends on no
// input that requires a gradient.
[[nodiscard]] std::vector<Tensor> record_results(const char* name,
                                                 const std::vector<Tensor>& inputs,
                                                 const std::vector<OpResult>& results,
                                                 ResultsBackward backward);

// Every node that the values are computed from, their own too.
[[nodiscard]] std::unordered_set<const Node*> nodes_behind(std::span<const Tensor> values);

// True when `record` would tie a result of these inputs: for ops that save extra work then.
[[nodiscard]] bool recording(std::initializer_list<Tensor> inputs);

// No op of this thread is recorded while the scope lives.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;

 private:
  bool before_;
};

// What becomes of the tape: kept for another walk, or freed node by node while it is walked, which
// gives the saved tensors back early. Walking a consumed tape again is an Error.
enum class Tape { kKeep, kConsume };

// d(sum_i <cotangents[i], outputs[i]>) / d(wrt[j]) for each j; undefined where no path leads.
// Cotangents have their outputs' shapes. `wrt` may be leaves or results.
[[nodiscard]] std::vector<Tensor> gradients(std::span<const Tensor> outputs,
                                            std::span<const Tensor> cotangents,
                                            std::span<const Tensor> wrt, Tape tape = Tape::kKeep);

// Cotangents of the outputs for one function of them; an undefined one stands for zeros.
using CotangentSet = std::vector<Tensor>;

// One walk for several sets of cotangents at once: each node's backward runs once per set that
// reaches it, so that the gradients of all sets of one tensor meet while they are there. In sets
// after the first subnormal numbers are taken for zero.
struct MultiWalk {
  static constexpr int kWhole = -1;

  std::span<const Tensor> outputs;
  std::span<const CotangentSet> sets;
  std::span<const Tensor> wrt;  // what gradients are wanted of
  // Results inside the tape that are watched only: entries from wrt.size() on. Null ones are never
  // met.
  std::span<const std::shared_ptr<Node>> watched;
  // Called for each entry that a path leads to, when its gradients of all sets are complete; one
  // tensor per set, undefined where that set does not reach. It may keep them, not write into them.
  // For a watched result it may put another tensor in an entry's place: the walk goes on from what
  // it leaves there. Gradients of all sets but the first are dropped after the call.
  std::function<void(std::size_t entry, int pass, std::span<Tensor> of_sets)> consumer;
  // When set: tells by Node::part to which of several passes a use of a leaf belongs, below 0 for
  // none. The consumer is then called for every pass with its share, before kWhole.
  std::function<int(const char* part)> pass_of;
  // When set: whether a node may be walked later in the sets after the first, when one of its
  // inputs is about to be. For branches beside the trunk: what they hand to it then waits no longer
  // than it must. Until that time the node keeps what it saved.
  std::function<bool(const Node& node)> late;
  // A set in which nothing is handed to watched results, since the consumer puts there what it
  // wants the walk to go on from: what would be overwritten is not computed. 0: none.
  std::size_t replaced = 0;
  // Nodes of a higher order are walked in that set as soon as its cotangents are known, before the
  // other sets reach them: what it hands from node to node does not wait beside theirs.
  std::int64_t ahead_of = std::numeric_limits<std::int64_t>::max();
  // Whether ops may take over sums and masks (InputEnd). No bit depends on it.
  bool takeovers = true;
  Tape tape = Tape::kKeep;
};

// The gradients of the first set, one per entry of `wrt`, to the bit those that `gradients` gives
// for that set alone.
[[nodiscard]] std::vector<Tensor> multi_gradients(const MultiWalk& walk);

// Gradients of one scalar, one entry per entry of parameters.all(); undefined for what is not
// trainable and where the loss does not reach.
[[nodiscard]] std::vector<Tensor> backward(const Tensor& loss, const ParameterSet& parameters,
                                           Tape tape = Tape::kKeep);

}  // namespace ktrain
