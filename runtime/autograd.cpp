#include "runtime/autograd.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/profile.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

thread_local bool grad_enabled = true;
thread_local std::int64_t next_order = 0;

template <class Inputs>
bool any_requires_grad(const Inputs& inputs) {
  return grad_enabled && std::any_of(inputs.begin(), inputs.end(),
                                     [](const Tensor& t) { return t.requires_grad(); });
}

std::shared_ptr<Node> make_node(const char* name, int lane) {
  auto node = std::make_shared<Node>();
  node->name = name;
  node->part = PartScope::current().name;
  node->order = ++next_order;
  node->lane = lane;
  return node;
}

template <class Inputs>
Tensor record_node(const char* name, const Inputs& inputs, Tensor y, BackwardFunction backward) {
  if (!any_requires_grad(inputs)) return y.detached();
  const std::shared_ptr<Node> node = make_node(name, y.context()->lane);
  node->inputs.reserve(inputs.size());
  for (const Tensor& input : inputs) node->inputs.push_back(input.node());
  node->backward = std::move(backward);
  return with_node(std::move(y), node);
}

}  // namespace

Node::~Node() {
  std::vector<std::shared_ptr<Node>> pending = std::move(inputs);
  while (!pending.empty()) {
    const std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
    if (node && node.use_count() == 1)
      std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(pending)),
          node->inputs.clear();
  }
}

std::vector<Node*> Node::depends_on() const {
  std::vector<Node*> nodes;
  if (from.empty())
    for (const auto& input : inputs) nodes.push_back(input.get());
  else if (!consumed && !inputs[0]->consumed)
    for (const std::size_t i : from) nodes.push_back(inputs[0]->inputs[i].get());
  return nodes;
}

std::vector<const Node*> Node::results() const {
  if (ports.empty()) return {this};
  std::vector<const Node*> nodes;
  for (const auto& port : ports) nodes.push_back(port.lock().get());
  return nodes;
}

std::vector<bool> Node::owed_inputs(const std::vector<Tensor>& dys) const {
  std::vector<bool> owed(inputs.size(), ports.empty());
  for (std::size_t r = 0; r < ports.size(); ++r)
    if (dys[r].defined())
      for (const std::size_t i : ports[r].lock()->from) owed[i] = true;
  return owed;
}

std::shared_ptr<Node> make_leaf() {
  auto node = std::make_shared<Node>();
  node->order = ++next_order;
  return node;
}

Tensor with_node(Tensor tensor, std::shared_ptr<Node> node) {
  tensor.node_ = std::move(node);
  return tensor;
}

Tensor record(const char* name, std::initializer_list<Tensor> inputs, Tensor y,
              BackwardFunction backward) {
  return record_node(name, inputs, std::move(y), std::move(backward));
}

Tensor record(const char* name, const std::vector<Tensor>& inputs, Tensor y,
              BackwardFunction backward) {
  return record_node(name, inputs, std::move(y), std::move(backward));
}

std::vector<Tensor> record_results(const char* name, const std::vector<Tensor>& inputs,
                                   const std::vector<OpResult>& results, ResultsBackward backward) {
  KT_CHECK(!results.empty(), "{}: no results", name);
  std::vector<Tensor> tied;
  std::shared_ptr<Node> op;
  for (const OpResult& result : results) {
    const bool requires_grad =
        grad_enabled && std::any_of(result.from.begin(), result.from.end(),
                                    [&](std::size_t i) { return inputs.at(i).requires_grad(); });
    if (!requires_grad) {
      tied.push_back(result.y.detached());
      continue;
    }
    const int lane = result.y.context()->lane;
    if (!op) {
      op = make_node(name, lane);
      op->ports.resize(results.size());
      for (const Tensor& input : inputs) op->inputs.push_back(input.node());
      op->results_backward = std::move(backward);
    }
    const std::shared_ptr<Node> port = make_node(name, lane);
    port->inputs = {op};
    port->from = result.from;
    op->ports[tied.size()] = port;
    tied.push_back(with_node(result.y, port));
  }
  return tied;
}

std::unordered_set<const Node*> nodes_behind(std::span<const Tensor> values) {
  std::unordered_set<const Node*> behind;
  std::vector<const Node*> pending;
  for (const Tensor& value : values) pending.push_back(value.node().get());
  while (!pending.empty()) {
    const Node* const node = pending.back();
    pending.pop_back();
    if (node == nullptr || !behind.insert(node).second) continue;
    if (!node->from.empty() && !node->consumed) behind.insert(node->inputs[0].get());
    for (const Node* const other : node->depends_on()) pending.push_back(other);
  }
  return behind;
}

bool recording(std::initializer_list<Tensor> inputs) { return any_requires_grad(inputs); }

NoGradScope::NoGradScope() : before_(grad_enabled) { grad_enabled = false; }
NoGradScope::~NoGradScope() { grad_enabled = before_; }

std::vector<Tensor> gradients(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                              std::span<const Tensor> wrt, Tape tape) {
  const CotangentSet set(cotangents.begin(), cotangents.end());
  MultiWalk walk;
  walk.outputs = outputs;
  walk.sets = {&set, 1};
  walk.wrt = wrt;
  walk.tape = tape;
  return multi_gradients(walk);
}

std::vector<Tensor> backward(const Tensor& loss, const ParameterSet& parameters, Tape tape) {
  KT_CHECK(loss.defined() && loss.size() == 1, "backward: the loss must be a scalar");
  KT_CHECK(loss.requires_grad(), "backward: the loss depends on no trainable parameter");
  std::vector<Tensor> wrt;
  for (const Parameter& parameter : parameters.all()) wrt.push_back(parameter.value);
  const Tensor one = filled(loss.context(), loss.shape(), 1.0f);
  return gradients({&loss, 1}, {&one, 1}, wrt, tape);
}

}  // namespace ktrain
