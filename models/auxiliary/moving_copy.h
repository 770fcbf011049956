// Copies of parts of a model that follow it slowly: the momentum encoder of a contrastive loss (He
// et al. 2020, arXiv 1911.05722).
//   update      copy = momentum * copy + (1 - momentum) * parameter; statistics of a normalisation
//               are copied as they are
// The copies are no parameters of the model: no gradient reaches them, the optimizer does not know
// them, and loading weights does not look for them. They are saved as state of the loss.
#pragma once

#include <utility>
#include <vector>

#include "models/auxiliary/auxiliary.h"
#include "models/module.h"

namespace ktrain {

class MovingCopy {
 public:
  // Of parameters in the set of `root`, which stands at the root. 0 <= momentum < 1, or Error.
  MovingCopy(const Maker& root, double momentum);

  // Stands at the root; modules made from it are copies of the modules whose parameters have these
  // names. They are frozen, and their normalisations use saved statistics. They start with what
  // the seed gives; `follow(true)` makes them equal to the model.
  [[nodiscard]] Maker maker();
  // After the modules have been made. Throws Error when a copy has no parameter to follow.
  void bind();
  // One update; `first`: the copies become equal to the parameters instead.
  void follow(bool first);
  // "<prefix>.<name of the parameter>"
  [[nodiscard]] std::vector<NamedTensor> state(const std::string& prefix) const;

 private:
  struct Pair {
    Tensor source, copy;
    bool averaged = true;
  };
  Maker root_;
  double momentum_;
  std::unique_ptr<ParameterSet> copies_;
  std::vector<Pair> pairs_;
};

}  // namespace ktrain
