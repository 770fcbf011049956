// Reverse-mode differentiation over an eager tape.
//
// An op computes its result and calls `record`; `backward` walks the tape and *returns* gradients.
// It never writes into a parameter or a saved tensor, so the same tape may be walked once per loss.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/parameters.h"
#include "runtime/tensor.h"

namespace ktrain {

// Which inputs of an op want a gradient in this walk.
using Wanted = std::vector<bool>;

// Gradients of an op's inputs from the gradient of its output. One entry per input; the entry of an
// input that is not wanted may be undefined. May return `dy` itself. Must not write into `dy` or
// into anything it saved.
using BackwardFunction = std::function<std::vector<Tensor>(const Tensor& dy, const Wanted& wanted)>;

// One op on the tape. Inputs are null where no gradient flows.
struct Node {
  const char* name = "leaf";
  const char* part = "";   // for the profile; see kernels/profile.h
  std::int64_t order = 0;  // later nodes depend on earlier ones only
  std::vector<std::shared_ptr<Node>> inputs;
  BackwardFunction backward;
  bool consumed = false;

  Node() = default;
  ~Node();  // takes a long chain of inputs apart without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  [[nodiscard]] bool is_leaf() const { return inputs.empty() && !backward && !consumed; }
};

[[nodiscard]] std::shared_ptr<Node> make_leaf();

// `y` tied to its inputs. When no input requires a gradient, or inside a NoGradScope, `y` comes
// back untied and `backward`, with everything it saved, is dropped at once. Inputs may be
// undefined.
[[nodiscard]] Tensor record(const char* name, std::initializer_list<Tensor> inputs, Tensor y,
                            BackwardFunction backward);
[[nodiscard]] Tensor record(const char* name, const std::vector<Tensor>& inputs, Tensor y,
                            BackwardFunction backward);

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

// Gradients of one scalar, one entry per entry of parameters.all(); undefined for what is not
// trainable and where the loss does not reach.
[[nodiscard]] std::vector<Tensor> backward(const Tensor& loss, const ParameterSet& parameters,
                                           Tape tape = Tape::kKeep);

}  // namespace ktrain
