// A group of convolutions with random numbers, other ones for each member, and views of its arrays
// wherever they are.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/conv2d_group.h"
#include "tests/support/conv_problem.h"

namespace ktrain::test {

struct GroupCase {
  std::vector<std::pair<std::int64_t, std::int64_t>> sizes;  // rows, columns of each member
  std::int64_t batch, channels, filters, taps, pad;
  bool shared;  // one filter for all?
  std::int64_t stride = 1;
};

// Levels down to one pixel, some images; odd channels, an empty map and one of a row; a member
// alone; as many as there may be; heads of few filters; filters without padding, and a map too
// small for one; sums that are cut for one member and whole for another. Two streams: of one size,
// with sums that are cut, strides that leave pixels over, more phases than a launch takes.
inline std::vector<GroupCase> awkward_groups() {
  return {
      {{{8, 10}, {4, 5}, {2, 3}, {1, 2}, {1, 1}}, 2, 8, 16, 3, 1, false},
      {{{5, 4}, {1, 1}, {0, 3}, {1, 9}}, 1, 3, 5, 3, 1, false},
      {{{9, 7}}, 2, 8, 12, 3, 1, false},
      {{{3, 4}, {1, 1}, {5, 5}, {2, 2}, {8, 3}, {1, 7}, {4, 4}, {6, 1}}, 1, 16, 20, 1, 0, false},
      {{{8, 10}, {4, 5}, {0, 0}, {2, 3}, {1, 1}}, 2, 24, 3, 1, 0, false},
      {{{6, 5}, {2, 2}, {3, 3}}, 1, 4, 8, 3, 0, false},
      {{{24, 23}, {5, 6}, {12, 11}}, 2, 8, 8, 3, 1, false},
      {{{9, 8}, {7, 7}, {3, 2}}, 1, 72, 136, 1, 0, false},
      {{{5, 6}, {5, 6}}, 1, 72, 20, 3, 1, false},
      {{{4, 6}, {4, 6}}, 2, 136, 16, 1, 0, false},
      {{{9, 10}, {9, 10}}, 2, 8, 12, 3, 1, false, 2},
      {{{7, 6}, {7, 6}, {4, 5}}, 1, 16, 24, 1, 0, false, 2},
      {{{1, 1}, {8, 3}, {0, 2}}, 1, 3, 5, 3, 1, false, 3}};
}

struct GroupProblem {
  GroupCase c;
  std::vector<ConvProblem> members;
  std::vector<std::vector<float>> add, positive;  // ends of the data gradients

  // `parts`: ConvPart.
  explicit GroupProblem(const GroupCase& of, unsigned parts = 0) : c(of) {
    for (const auto& [height, width] : of.sizes) {
      const auto seed = static_cast<unsigned>(10 * members.size());
      ConvProblem p({of.batch, height, width, of.channels, of.filters, of.taps, of.stride, of.pad},
                    parts);
      const auto draw = [&](std::vector<float>& values, unsigned which) {
        values = random_floats(static_cast<std::int64_t>(values.size()), seed + which);
      };
      draw(p.x, 1);
      draw(p.g, 2);
      draw(p.w, 3);
      draw(p.shift, 4);
      draw(p.scale, 7);
      draw(p.residual, 8);
      if (of.shared && !members.empty()) {
        p.w = members[0].w;
        p.shift = members[0].shift;
        p.scale = members[0].scale;
      }
      add.push_back(random_floats(static_cast<std::int64_t>(p.x.size()), seed + 5));
      positive.push_back(random_floats(static_cast<std::int64_t>(p.x.size()), seed + 6));
      members.push_back(std::move(p));
    }
  }
  [[nodiscard]] std::size_t size() const { return members.size(); }
  [[nodiscard]] const Conv2dOptions& options() const { return members[0].options; }
  [[nodiscard]] std::size_t gradients() const { return c.shared ? 1 : size(); }
};

// What comes of `dx` with its end: `add` and `positive` may be empty.
template <class T>
std::vector<T> ended(std::vector<T> dx, const std::vector<float>& add,
                     const std::vector<float>& positive) {
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (!add.empty()) dx[i] += static_cast<T>(add[i]);
    if (!positive.empty() && !(positive[i] > 0)) dx[i] = 0;
  }
  return dx;
}

// The sum of the members' gradients of one kind, the last one's first.
template <class T>
std::vector<T> sum_from_last(const std::vector<std::vector<T>>& gradients) {
  std::vector<T> sum = gradients.back();
  for (std::size_t i = gradients.size() - 1; i-- > 0;)
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += gradients[i][j];
  return sum;
}

}  // namespace ktrain::test
