#include "kernels/topk.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;
using testing::ElementsAre;

TEST(Topk, IsAStableSortCutAtK) {
  for (const std::size_t size : {1u, 2u, 31u, 1000u, 4097u}) {
    for (const std::size_t k : {std::size_t{1}, size / 2 + 1, size}) {
      std::mt19937 engine(static_cast<unsigned>(size + k));
      std::vector<float> scores(2 * size);
      for (float& s : scores) s = static_cast<float>(engine() % 200);  // many ties
      std::vector<std::int32_t> got(2 * k), want;
      cpu::topk(rows(std::as_const(scores), static_cast<std::int64_t>(size)),
                rows(got, static_cast<std::int64_t>(k)));
      for (std::size_t r = 0; r < 2; ++r) {
        std::vector<std::int32_t> order(size);
        std::iota(order.begin(), order.end(), 0);
        const float* row = &scores[r * size];
        std::stable_sort(order.begin(), order.end(),
                         [&](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
        want.insert(want.end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k));
      }
      EXPECT_EQ(got, want) << size << " choose " << k;
    }
  }
}

TEST(Topk, NanIsTheLeastAndInfinitiesHaveTheirPlace) {
  const std::vector<double> scores = {NAN, -INFINITY, 3, INFINITY, NAN, -2};
  std::vector<std::int32_t> got(6);
  cpu::topk(rows(scores, 6), rows(got, 6));
  EXPECT_THAT(got, ElementsAre(3, 2, 5, 0, 1, 4));
}

TEST(Topk, ZerosOfEitherSignAreEqualAndDoublesCloserThanFloatsAreNot) {
  const std::vector<double> scores = {-0.0, 0.0, -0.0, 1, 1 + 1e-12, 1 - 1e-12, 1e300, -1e300};
  std::vector<std::int32_t> got(8);
  cpu::topk(rows(scores, 8), rows(got, 8));
  EXPECT_THAT(got, ElementsAre(6, 4, 3, 5, 0, 1, 2, 7));
  got.resize(5);
  cpu::topk(rows(scores, 8), rows(got, 5));
  EXPECT_THAT(got, ElementsAre(6, 4, 3, 5, 0));
}

TEST(Topk, EmptyAndTooMany) {
  std::vector<float> scores(3);
  std::vector<std::int32_t> got(4);
  cpu::topk_row(span(std::as_const(scores)), Span<std::int32_t>{});
  try {
    cpu::topk_row(span(std::as_const(scores)), span(got));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("topk: 4 of 3 scores asked"));
  }
}

}  // namespace
}  // namespace ktrain
