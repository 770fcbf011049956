#include "kernels/upsample_add.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;

struct Sizes {
  std::int64_t batch, coarse_height, coarse_width, height, width, channels;
};

Vec forward(const Vec& coarse, const Vec& fine, const Sizes& s) {
  Vec y(fine.size());
  cpu::upsample_add_forward<double>(
      {coarse.data(), s.batch, s.coarse_height, s.coarse_width, s.channels},
      {fine.data(), s.batch, s.height, s.width, s.channels},
      {y.data(), s.batch, s.height, s.width, s.channels});
  return y;
}

TEST(UpsampleAdd, ReadsTheFloorOfTheRatio) {
  // Widths 2 -> 5: floor(w * 2 / 5) = 0 0 0 1 1.
  EXPECT_EQ(forward({10, 20}, {1, 2, 3, 4, 5}, {1, 1, 2, 1, 5, 1}), (Vec{11, 12, 13, 24, 25}));
  // 3 -> 2: some coarse pixels are never read.
  EXPECT_EQ(forward({10, 20, 30}, {1, 2}, {1, 1, 3, 1, 2, 1}), (Vec{11, 22}));
}

TEST(UpsampleAdd, BackwardIsTheDerivative) {
  for (const Sizes& s : {Sizes{1, 1, 1, 1, 1, 1}, Sizes{2, 2, 3, 4, 6, 3}, Sizes{1, 3, 2, 7, 5, 2},
                         Sizes{1, 4, 3, 2, 3, 2}, Sizes{1, 1, 1, 3, 4, 17}}) {
    const auto size = [&](std::int64_t h, std::int64_t w) {
      return static_cast<std::size_t>(s.batch * h * w * s.channels);
    };
    const Vec coarse = random_vec(size(s.coarse_height, s.coarse_width), 1);
    const Vec fine = random_vec(size(s.height, s.width), 2), dy = random_vec(fine.size(), 3);
    Vec dcoarse(coarse.size(), NAN);
    cpu::upsample_add_backward<double>(
        {dy.data(), s.batch, s.height, s.width, s.channels},
        {dcoarse.data(), s.batch, s.coarse_height, s.coarse_width, s.channels});
    // Linear: rounding over the step of 1e-5 is all that is left.
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return forward(v, fine, s); }, coarse, dy,
                                   dcoarse),
              1e-8);
    EXPECT_LT(
        test::gradient_error([&](const Vec& v) { return forward(coarse, v, s); }, fine, dy, dy),
        1e-8);
  }
}

TEST(UpsampleAdd, TheResultMayReplaceTheFineMap) {
  const Vec coarse = random_vec(4, 1);
  Vec fine = random_vec(16, 2);
  const Vec want = forward(coarse, fine, {1, 2, 2, 4, 4, 1});
  cpu::upsample_add_forward<double>({coarse.data(), 1, 2, 2, 1}, {fine.data(), 1, 4, 4, 1},
                                    {fine.data(), 1, 4, 4, 1});
  EXPECT_EQ(fine, want);
}

TEST(UpsampleAdd, EmptyMaps) {
  EXPECT_TRUE(forward({}, {}, {0, 2, 2, 4, 4, 3}).empty());
  Vec dcoarse(4, 1.0);
  cpu::upsample_add_backward<double>({nullptr, 1, 0, 2, 1}, {dcoarse.data(), 1, 2, 2, 1});
  EXPECT_EQ(dcoarse, Vec(4, 0.0));
}

TEST(UpsampleAdd, WrongShapesSayWhatWasFound) {
  EXPECT_THAT(test::message_of([] {
                forward(Vec(4), Vec(16), {1, 0, 2, 4, 4, 1});
              }),
              ::testing::HasSubstr("a map of 1x0x2x1 cannot fill one of 1x4x4x1"));
  Vec v(32);
  EXPECT_THAT(test::message_of([&] {
                cpu::upsample_add_forward<double>({v.data(), 1, 2, 2, 2}, {v.data(), 1, 4, 4, 1},
                                                  {v.data(), 1, 4, 4, 1});
              }),
              ::testing::HasSubstr("a map of 1x2x2x2 cannot fill one of 1x4x4x1"));
}

}  // namespace
}  // namespace ktrain
