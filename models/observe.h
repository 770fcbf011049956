// What a forward pass shows to somebody who watches: the inputs of its normalisations, the outputs
// of the backbone's stages, the pyramids before fusion. Nobody watching costs a look at a pointer.
// On the CPU watching changes no bit; on a GPU sums may be cut elsewhere. What is shown is in
// float.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace ktrain {

class ForwardObserver {
 public:
  ForwardObserver() = default;
  ForwardObserver(const ForwardObserver&) = delete;
  ForwardObserver& operator=(const ForwardObserver&) = delete;
  virtual ~ForwardObserver() = default;

  // What is shown from here on belongs to this stream: "visible" or "thermal".
  virtual void stream(std::string_view name) = 0;
  // The output of a convolution, NHWC, before its normalisation, whose parameters stand under
  // `name`: "visible.backbone.layer1.0.conv1".
  virtual void convolution(const std::string& name, const Tensor& y) = 0;
  // The output of the stem after pooling ("stem") or of a stage ("layer1" .. "layer4"), NHWC.
  virtual void stage(std::string_view name, const Tensor& y) = 0;
  // The stream's own pyramid, finest level first.
  virtual void pyramid(std::span<const Tensor> levels) = 0;
};

// Who watches this thread's forward passes; nullptr for nobody.
[[nodiscard]] ForwardObserver* forward_observer();

// `observer` watches this thread while the scope lives, in place of whoever did before.
class ObserverScope {
 public:
  explicit ObserverScope(ForwardObserver& observer);
  ~ObserverScope();
  ObserverScope(const ObserverScope&) = delete;
  ObserverScope& operator=(const ObserverScope&) = delete;

 private:
  ForwardObserver* before_;
};

}  // namespace ktrain
