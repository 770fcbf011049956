// The layer groups in which the conflict monitor adds up: a function of the parameters' names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/parameters.h"

namespace ktrain {

// visible.stem, visible.layer1 .. visible.layer4, visible.neck (thermal.*, shared.* likewise),
// fusion, rpn, roi, aux.macl (a loss's own head); for anything else what stands before the first
// dot.
[[nodiscard]] std::string group_of(std::string_view parameter);

// One pass of a branch: its name in groups, and what stands at the start of Node::part in its ops.
inline constexpr std::string_view kPassNames[] = {"visible", "thermal"};
// 0 for ops of the visible stream, 1 of the thermal one, -1 for others.
[[nodiscard]] int pass_of_part(const char* part);

// Groups of the trainable parameters of a set, in the order of their first parameter. Parameters
// that both streams share (shared.*) are in three: shared.layer1 is what is trained,
// visible.layer1 and thermal.layer1 are what each pass through it contributes to the gradient.
class LayerGroups {
 public:
  struct Group {
    std::string name;
    std::int64_t elements = 0;
    bool share = false;  // of one pass: its elements are counted in another group as well
  };
  // Where a parameter stands in its group.
  struct Place {
    int group = -1;           // -1: not trained
    std::int64_t offset = 0;  // of its first element
  };

  explicit LayerGroups(const ParameterSet& parameters);

  [[nodiscard]] const std::vector<Group>& all() const { return groups_; }
  // `parameter` counts in parameters.all(); `pass` as pass_of_part, -1 for the whole.
  [[nodiscard]] Place place(std::size_t parameter, int pass = -1) const;
  // Whether any parameter serves both streams.
  [[nodiscard]] bool shared() const { return shared_; }

 private:
  struct Places {
    Place whole, pass[2];
  };
  [[nodiscard]] Place add(const std::string& group, std::int64_t elements, bool share);

  std::vector<Group> groups_;
  std::vector<Places> places_;
  bool shared_ = false;
};

}  // namespace ktrain
