#include "runtime/autograd.h"

#include <algorithm>
#include <unordered_map>

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

template <class Inputs>
Tensor record_node(const char* name, const Inputs& inputs, Tensor y, BackwardFunction backward) {
  if (!any_requires_grad(inputs)) return y.detached();
  auto node = std::make_shared<Node>();
  node->name = name;
  node->part = PartScope::current().name;
  node->order = ++next_order;
  node->inputs.reserve(inputs.size());
  for (const Tensor& input : inputs) node->inputs.push_back(input.node());
  node->backward = std::move(backward);
  return with_node(std::move(y), std::move(node));
}

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

bool recording(std::initializer_list<Tensor> inputs) { return any_requires_grad(inputs); }

NoGradScope::NoGradScope() : before_(grad_enabled) { grad_enabled = false; }
NoGradScope::~NoGradScope() { grad_enabled = before_; }

std::vector<Tensor> gradients(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                              std::span<const Tensor> wrt, Tape tape) {
  KT_CHECK(outputs.size() == cotangents.size(), "gradients: {} outputs, {} cotangents",
           outputs.size(), cotangents.size());
  const NoGradScope no_grad;
  const MemoryUseScope use(MemoryUse::kGradients);
  const std::vector<Node*> nodes = reachable(outputs);

  // A node leads somewhere when it is asked for itself or when one of its inputs leads somewhere.
  std::unordered_map<const Node*, bool> leads;
  std::unordered_map<const Node*, bool> asked;
  for (const Tensor& tensor : wrt)
    if (tensor.node()) asked[tensor.node().get()] = true;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)
    leads[*node] = asked.contains(*node) ||
                   std::any_of((*node)->inputs.begin(), (*node)->inputs.end(),
                               [&](const auto& input) { return input && leads[input.get()]; });

  std::unordered_map<const Node*, Tensor> slots;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    KT_CHECK(outputs[i].shape() == cotangents[i].shape(),
             "gradients: output {} is {}, cotangent {}", i, outputs[i].shape().text(),
             cotangents[i].shape().text());
    if (outputs[i].node() && leads[outputs[i].node().get()])
      accumulate_gradient(slots[outputs[i].node().get()], cotangents[i].detached());
  }

  // In a consuming walk a node's owner may be one that was just taken apart: keep all until the
  // end.
  std::vector<std::shared_ptr<Node>> owners;
  for (Node* const node : nodes) {
    const auto slot = slots.find(node);
    if (slot != slots.end() && node->backward && leads[node]) {
      const PartScope part(Part{node->part, true});
      Tensor dy = slot->second;
      if (!asked.contains(node)) slots.erase(slot);
      Wanted wanted(node->inputs.size());
      for (std::size_t i = 0; i < wanted.size(); ++i)
        wanted[i] = node->inputs[i] && leads[node->inputs[i].get()];
      std::vector<Tensor> results = node->backward(dy, wanted);
      dy = Tensor();
      KT_CHECK(results.size() == wanted.size(), "backward of '{}' gave {} gradients for {} inputs",
               node->name, results.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!wanted[i]) continue;
        KT_CHECK(results[i].defined(), "backward of '{}' gave no gradient for input {}", node->name,
                 i);
        accumulate_gradient(slots[node->inputs[i].get()], std::move(results[i]));
      }
    }
    if (tape == Tape::kConsume && !node->is_leaf()) {
      node->backward = nullptr;
      std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(owners));
      node->inputs.clear();
      node->consumed = true;
    }
  }

  std::vector<Tensor> result;
  result.reserve(wrt.size());
  for (const Tensor& tensor : wrt) {
    const auto slot = slots.find(tensor.node().get());
    result.push_back(slot == slots.end() || !tensor.node() ? Tensor() : slot->second);
  }
  return result;
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
