#include "kernels/next_rows.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

using testing::ElementsAre;
using Ints = std::vector<std::int32_t>;

struct Ring {
  Ints next, before;
};

Ring ring_of(const std::vector<double>& valid) {
  Ring ring{Ints(valid.size(), -7), Ints(valid.size(), -7)};
  const std::int64_t n = std::ssize(valid);
  cpu::next_rows<double>({valid.data(), n}, {ring.next.data(), n}, {ring.before.data(), n});
  return ring;
}

TEST(NextRows, GoRoundTheValidOnes) {
  const Ring ring = ring_of({0, 1, 0, 1, 1, 0});
  EXPECT_THAT(ring.next, ElementsAre(0, 3, 2, 4, 1, 5));
  EXPECT_THAT(ring.before, ElementsAre(0, 4, 2, 1, 3, 5));
}

TEST(NextRows, OneAloneAndNoneAreTheirOwn) {
  EXPECT_THAT(ring_of({0, 1, 0}).next, ElementsAre(0, 1, 2));
  EXPECT_THAT(ring_of({0, 1, 0}).before, ElementsAre(0, 1, 2));
  EXPECT_THAT(ring_of({0, 0}).next, ElementsAre(0, 1));
  EXPECT_TRUE(ring_of({}).next.empty());
}

TEST(TakeRows, MovesWholeRows) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  const Ints from = {2, 0, 2, 1};
  std::vector<float> y(8);
  cpu::take_rows<float>({x.data(), 3, 2}, {from.data(), 4}, {y.data(), 4, 2});
  EXPECT_THAT(y, ElementsAre(5, 6, 1, 2, 5, 6, 3, 4));
}

TEST(TakeRows, RefusesWhatIsNotThere) {
  const std::vector<float> x = {1, 2, 3};
  for (const std::int32_t row : {-1, 3}) {
    const Ints from = {row};
    float y = 0;
    EXPECT_THAT(
        [&] {
          cpu::take_rows<float>({x.data(), 3, 1}, {from.data(), 1}, {&y, 1, 1});
        },
        testing::ThrowsMessage<Error>(testing::HasSubstr("of 3")));
  }
  Ints two(2), three(3);
  EXPECT_THAT(
      [&] {
        cpu::next_rows<float>({x.data(), 3}, {two.data(), 2}, {three.data(), 3});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("3 rows, next 2, before 3")));
}

}  // namespace
}  // namespace ktrain
