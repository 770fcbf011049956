#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/clip.h"
#include "runtime/box_views.h"
#include "runtime/fault.h"
#include "runtime/ops_alignment.h"
#include "train/objective.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

const std::string kPrefix = "optimizer.", kStepName = "optimizer.step";

std::int64_t numbers_per_group(bool adamw) { return adamw ? int{kAdamwNumbers} : int{kSgdNumbers}; }

// The element that made the norm useless, for the message.
std::string first_non_finite(const ParameterSet& parameters, std::span<const Tensor> gradients) {
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const std::vector<float> values = gradients[i].to_vector<float>();
    const auto bad =
        std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
    if (bad != values.end())
      return fmt::format("'{}' has {} at element {}", parameters.all()[i].name, *bad,
                         bad - values.begin());
  }
  return "every element is finite, but their squares overflow";
}

}  // namespace

Factors factors_for(const Parameter& parameter, const OptimizerPlan& plan) {
  const Multiplier* best = nullptr;
  for (const Multiplier& multiplier : plan.multipliers) {
    if (parameter.name.find(multiplier.prefix) == std::string::npos) continue;
    const auto longer = [&] {
      if (multiplier.prefix.size() != best->prefix.size())
        return multiplier.prefix.size() > best->prefix.size();
      return multiplier.prefix < best->prefix;
    };
    if (best == nullptr || longer()) best = &multiplier;
  }
  // A learned temperature has no natural zero to decay to.
  const bool lone = parameter.kind == ParameterKind::kWeight &&
                    parameter.value.shape().rank() == 1 && parameter.value.size() == 1;
  if (lone) return {best != nullptr ? best->lr : 1.0, 0.0};
  if (best != nullptr) return {best->lr, best->decay};
  switch (parameter.kind) {
    case ParameterKind::kNormScale:
    case ParameterKind::kNormShift:
      return {1.0, plan.norm_decay};
    case ParameterKind::kBias:
      return {1.0, plan.bias_decay};
    default:
      return {};
  }
}

Optimizer::Optimizer(const OptimizerPlan& plan, ParameterSet& parameters)
    : plan_(plan), parameters_(parameters) {
  KT_CHECK(plan.kind == "adamw" || plan.kind == "sgd", "optimizer: no such kind: '{}'", plan.kind);
  const MemoryUseScope use(MemoryUse::kOptimizer);
  for (std::size_t i = 0; i < parameters.all().size(); ++i) {
    const Parameter& parameter = parameters.all()[i];
    if (!parameter.trainable) continue;
    const Factors factors = factors_for(parameter, plan);
    const auto group = std::find(groups_.begin(), groups_.end(), factors) - groups_.begin();
    if (group == std::ssize(groups_)) groups_.push_back(factors);
    const ContextPtr& context = parameter.value.context();
    const auto zeros = [&] { return Tensor::zeros(context, parameter.value.shape()); };
    slots_.push_back({i, static_cast<std::size_t>(group), zeros(), adamw() ? zeros() : Tensor()});
  }
  KT_CHECK(!slots_.empty(), "optimizer: none of {} parameters is trainable",
           parameters.all().size());
  const ContextPtr& context = parameters.all()[slots_[0].index].value.context();
  const auto rows = std::ssize(groups_), columns = numbers_per_group(adamw());
  norm_ = Tensor::zeros(context, {1});
  clip_factor_ = Tensor::zeros(context, {1});
  numbers_ = Tensor::zeros(context, {rows, columns});
  for (const Slot& slot : slots_) spans_.push_back(parameter(slot).value.span<float>());
  clip_scratch_ =
      scratch_bytes(norm_, clip_scratch_bytes<float>({spans_.data(), std::ssize(spans_)}));
  host_numbers_.resize(static_cast<std::size_t>(rows * columns));
}

const Parameter& Optimizer::parameter(const Slot& slot) const {
  return parameters_.all()[slot.index];
}

void Optimizer::step(std::span<const Tensor> gradients, double lr,
                     const std::vector<std::string>& pair_ids, const Observer& observer) {
  KT_CHECK(gradients.size() == parameters_.all().size(), "optimizer: {} gradients, {} parameters",
           gradients.size(), parameters_.all().size());
  measure(gradients);
  if (norm_.queue().planning) return;
  gradient_norm_ = norm_.item();
  if (!std::isfinite(gradient_norm_))
    throw_fault("KT-NUM-021", "step {}: the gradient norm is {}: {}; nothing was changed{}",
                steps_ + 1, gradient_norm_, first_non_finite(parameters_, gradients),
                pairs_text(pair_ids));
  ++steps_;
  write_numbers(lr);
  update_all(gradients, observer);
}

void Optimizer::update_all(std::span<const Tensor> gradients, const Observer& observer) {
  if (!observer) {
    update(slots_, gradients);
    return;
  }
  const MemoryUseScope use(MemoryUse::kWorkspace);
  for (const Slot& slot : slots_) {
    if (!gradients[slot.index].defined()) continue;
    const Tensor before = parameter(slot).value.clone();
    update({&slot, 1}, gradients);
    observer(slot.index, before);
  }
}

double Optimizer::clip_factor() const { return steps_ > 0 ? clip_factor_.item() : 1.0; }

double Optimizer::momentum_scale() const {
  if (!adamw() || done() == 0) return 1.0;
  return (1 - plan_.beta1) / (1 - std::pow(plan_.beta1, static_cast<double>(done())));
}

std::optional<Optimizer::Moment> Optimizer::moment(std::size_t index) const {
  const auto slot = std::lower_bound(slots_.begin(), slots_.end(), index,
                                     [](const Slot& s, std::size_t i) { return s.index < i; });
  if (slot == slots_.end() || slot->index != index) return std::nullopt;
  const double root = std::sqrt(1 - std::pow(plan_.beta2, static_cast<double>(done())));
  return Moment{slot->second, root, plan_.epsilon, groups_[slot->group].lr};
}

void Optimizer::measure(std::span<const Tensor> gradients) {
  spans_.clear();
  for (const Slot& slot : slots_) {
    const Tensor& gradient = gradients[slot.index];
    if (!gradient.defined()) continue;
    KT_CHECK(gradient.shape() == parameter(slot).value.shape(),
             "optimizer: '{}' is {}, its gradient {}", parameter(slot).name,
             parameter(slot).value.shape().text(), gradient.shape().text());
    spans_.push_back(gradient.span<float>());
  }
  const Span<const Span<const float>> all{spans_.data(), std::ssize(spans_)};
  const double largest = plan_.clip > 0 ? plan_.clip : std::numeric_limits<double>::infinity();
  KT_RUN(norm_.queue(), clip_factor, all, norm_.mutable_span<float>(),
         clip_factor_.mutable_span<float>(), bytes_of(clip_scratch_), largest);
}

std::span<const float> Optimizer::begin_step(double lr) {
  ++steps_;
  begun_ = true;
  make_numbers(lr);
  return host_numbers_;
}

void Optimizer::enqueue(std::span<const Tensor> gradients, const std::function<void()>& guard,
                        const Observer& observer) {
  KT_CHECK(gradients.size() == parameters_.all().size(), "optimizer: {} gradients, {} parameters",
           gradients.size(), parameters_.all().size());
  measure(gradients);
  guard();
  update_all(gradients, observer);
}

void Optimizer::write_numbers(double lr) {
  make_numbers(lr);
  numbers_.copy_from<float>(host_numbers_);
}

void Optimizer::make_numbers(double lr) {
  auto out = host_numbers_.begin();
  for (const Factors& factors : groups_) {
    const double rate = lr * factors.lr, decay = plan_.weight_decay * factors.decay;
    if (adamw()) {
      const auto row =
          adamw_numbers<float>({rate, plan_.beta1, plan_.beta2, plan_.epsilon, decay}, steps_);
      out = std::copy(row.begin(), row.end(), out);
    } else {
      const auto row = sgd_numbers<float>({rate, plan_.momentum, decay});
      out = std::copy(row.begin(), row.end(), out);
    }
  }
}

void Optimizer::update(std::span<const Slot> slots, std::span<const Tensor> gradients) {
  const Span<const float> numbers = numbers_.span<float>(), scale = clip_factor_.span<float>();
  adamw_tensors_.clear();
  sgd_tensors_.clear();
  for (const Slot& slot : slots) {
    if (!gradients[slot.index].defined()) continue;
    Tensor weight = parameter(slot).value, first = slot.first, second = slot.second;
    const Span<const float> gradient = gradients[slot.index].span<float>();
    const auto row = static_cast<std::int64_t>(slot.group);
    if (adamw())
      adamw_tensors_.push_back({gradient, weight.mutable_span<float>(), first.mutable_span<float>(),
                                second.mutable_span<float>(), row});
    else
      sgd_tensors_.push_back(
          {gradient, weight.mutable_span<float>(), first.mutable_span<float>(), row});
  }
  if (adamw()) {
    const Span<const AdamwTensor<float>> all{adamw_tensors_.data(), std::ssize(adamw_tensors_)};
    KT_RUN(numbers_.queue(), adamw, all, numbers, scale);
  } else {
    const Span<const SgdTensor<float>> all{sgd_tensors_.data(), std::ssize(sgd_tensors_)};
    KT_RUN(numbers_.queue(), sgd, all, numbers, scale);
  }
}

bool Optimizer::look_ahead(std::span<const Tensor> gradients, double lr,
                           const std::function<void()>& look) {
  const MemoryUseScope use(MemoryUse::kWorkspace);
  measure(gradients);
  const bool waits = !norm_.queue().planning && !begun_;
  if (waits && !std::isfinite(norm_.item())) return false;
  const auto put_back = [](const Tensor& from, Tensor to) { copy_into(to, from); };
  if (waits) {
    ++steps_;
    write_numbers(lr);
  }
  std::vector<Tensor> weights;  // by slot
  for (const Slot& slot : slots_) {
    weights.push_back(parameter(slot).value.clone());
    if (!gradients[slot.index].defined()) continue;
    // One parameter's moments at a time.
    const Tensor first = slot.first.clone();
    const Tensor second = adamw() ? slot.second.clone() : Tensor();
    update({&slot, 1}, gradients);
    put_back(first, slot.first);
    if (adamw()) put_back(second, slot.second);
  }
  look();
  for (std::size_t i = 0; i < slots_.size(); ++i) put_back(weights[i], parameter(slots_[i]).value);
  if (waits) --steps_;
  return true;
}

std::vector<std::pair<std::string, Tensor>> Optimizer::named_state() const {
  std::vector<std::pair<std::string, Tensor>> named;
  for (const Slot& slot : slots_) {
    const std::string& name = parameter(slot).name;
    named.emplace_back(kPrefix + (adamw() ? "m." : "momentum.") + name, slot.first);
    if (adamw()) named.emplace_back(kPrefix + "v." + name, slot.second);
  }
  return named;
}

std::vector<NamedArray> Optimizer::state() const {
  std::vector<NamedArray> arrays = {named_array(kStepName, {}, std::span(&steps_, 1))};
  for (const auto& [name, tensor] : named_state()) arrays.push_back(named_array(name, tensor));
  return arrays;
}

void Optimizer::restore(const LoadedCheckpoint& from) {
  const auto named = named_state();
  // Everything is looked at first, so that a file that does not fit changes nothing.
  for (const auto& [name, tensor] : named) (void)from.bytes(array_spec(name, tensor));
  for (const NamedArray& array : from.arrays()) {
    const std::string& name = array.spec.name;
    const auto is_known = [&](const auto& entry) { return entry.first == name; };
    if (name.starts_with(kPrefix) && name != kStepName &&
        std::none_of(named.begin(), named.end(), is_known))
      throw_fault("KT-CKPT-003", "{}: '{}' belongs to no trainable parameter of this run",
                  from.path(), name);
  }
  std::int64_t steps = 0;
  from.copy({kStepName, ArrayType::kI64, {}}, std::as_writable_bytes(std::span(&steps, 1)));
  for (const auto& [name, tensor] : named) load_tensor(from, name, tensor);
  steps_ = steps;
  begun_ = false;
}

std::string Optimizer::groups_text() const {
  std::string text;
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    std::int64_t tensors = 0, elements = 0;
    std::string first;
    for (const Slot& slot : slots_) {
      if (slot.group != group) continue;
      if (tensors++ == 0) first = parameter(slot).name;
      elements += slot.first.size();
    }
    text += fmt::format("lr x{:<6} decay x{:<6} {:4} tensors {:11} values  {}, ...\n",
                        groups_[group].lr, groups_[group].decay, tensors, elements, first);
  }
  return text;
}

}  // namespace ktrain
