#include "kernels/pair_rows.h"

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

struct Table {
  std::vector<float> rois, valid;
  std::vector<std::int32_t> image, marks, count = {-7};
  explicit Table(std::size_t n) : rois(4 * n, 9), valid(n, 9), image(n, 9), marks(4 * n, 9) {}
  PairRowViews<float> views() {
    return {rows(rois, 4), span(image), rows(marks, kMarkColumns), span(valid), span(count)};
  }
};

// Two images of three regions: two positives and a negative; one positive, a negative, padding.
TEST(PairRows, PositivesOfEachImageInAFixedTable) {
  const std::vector<float> rois = {1, 1, 5, 5, 2, 2, 6, 6, 3, 3, 7, 7,
                                   4, 4, 8, 8, 5, 5, 9, 9, 0, 0, 0, 0};
  const std::vector<std::int32_t> labels = {0, 0, 1, 0, 1, -1}, targets = {0, 3, -1, 2, -1, -1};
  const std::vector<std::int32_t> identity = {70, 4, 19, 71, 5, 3};
  const SampledRegions<float> regions{rows(rois, 4), span(labels), span(targets)};
  Table two(4);
  cpu::positive_rows(regions, rows(identity, 3), two.views(), 1);
  EXPECT_THAT(two.image, ElementsAre(0, 0, 1, -1));
  EXPECT_THAT(two.valid, ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(two.marks, ElementsAre(70, 4, 19, 0, 70, 4, 19, 3, 71, 5, 3, 2, -1, -1, -1, -1));
  EXPECT_THAT(two.rois, ElementsAre(1, 1, 5, 5, 2, 2, 6, 6, 4, 4, 8, 8, 0, 0, 0, 0));
  EXPECT_EQ(two.count[0], 3);
  Table wide(10), narrow(2);  // more rows than regions; fewer than positives
  cpu::positive_rows(regions, rows(identity, 3), wide.views(), 1);
  EXPECT_EQ(wide.count[0], 3);
  EXPECT_THAT(wide.image, ElementsAre(0, 0, -1, -1, -1, 1, -1, -1, -1, -1));
  cpu::positive_rows(regions, rows(identity, 3), narrow.views(), 1);
  EXPECT_EQ(narrow.count[0], 2);
  Table odd(3);
  EXPECT_THROW(cpu::positive_rows(regions, rows(identity, 3), odd.views(), 1), Error);
}

TEST(PairRows, WholeImagesAndEmptySlots) {
  const std::vector<std::int32_t> sizes = {40, 60, 32, 32}, identity = {7, 1, 5, -1, -1, -1};
  Table table(2);
  cpu::whole_image_rows(rows(sizes, 2), rows(identity, 3), table.views());
  EXPECT_THAT(table.rois, ElementsAre(0, 0, 60, 40, 0, 0, 0, 0));
  EXPECT_THAT(table.image, ElementsAre(0, -1));
  EXPECT_THAT(table.marks, ElementsAre(7, 1, 5, -1, -1, -1, -1, -1));
  EXPECT_EQ(table.count[0], 1);
}

struct Marked {
  std::vector<float> box;
  std::int32_t image, place, group, frame, target;
};

std::vector<std::uint8_t> excluded(const std::vector<Marked>& all, const ExclusionRule& rule) {
  std::vector<float> rois;
  std::vector<std::int32_t> image, marks;
  for (const Marked& m : all) {
    rois.insert(rois.end(), m.box.begin(), m.box.end());
    image.push_back(m.image);
    marks.insert(marks.end(), {m.place, m.group, m.frame, m.target});
  }
  const auto n = std::ssize(all);
  std::vector<std::uint8_t> out(static_cast<std::size_t>(n * n), 9);
  const auto& ro = rois;
  const auto& im = image;
  const auto& ma = marks;
  cpu::exclusions(rows(ro, 4), span(im), rows(ma, 4), rows(out, n), rule);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      EXPECT_EQ(out[static_cast<std::size_t>(i * n + j)], out[static_cast<std::size_t>(j * n + i)]);
  return out;
}

bool two_excluded(const Marked& a, const Marked& b, const ExclusionRule& rule = {0.3, 2}) {
  const auto out = excluded({a, b}, rule);
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[3], 1);
  return out[1] == 1;
}

TEST(Exclusions, WithinAnImageByOverlapAndIdentity) {
  const Marked a{{0, 0, 10, 10}, 0, 7, 1, 5, 0};
  Marked b{{0, 0, 10, 4}, 0, 7, 1, 5, 1};
  EXPECT_TRUE(two_excluded(a, b)) << "IoU 0.4";
  EXPECT_FALSE(two_excluded(a, b, {0.5, 2}));
  EXPECT_TRUE(two_excluded(a, b, {0.4f, 2})) << "the limit itself excludes";
  b.box = {0, 0, 10, 2};
  EXPECT_FALSE(two_excluded(a, b)) << "IoU 0.2";
  b.target = 0;
  EXPECT_TRUE(two_excluded(a, b)) << "one person";
  Marked c = a, d = b;
  c.target = d.target = -1;
  EXPECT_FALSE(two_excluded(c, d)) << "no target is no identity";
}

TEST(Exclusions, BetweenImagesByPlaceAndNeighbouringFrames) {
  const Marked a{{0, 0, 10, 10}, 0, 7, 1, 5, 0};
  Marked b{{0, 0, 10, 10}, 1, 8, 1, 7, 0};
  EXPECT_TRUE(two_excluded(a, b)) << "two frames on";
  EXPECT_FALSE(two_excluded(a, b, {0.3, 1}));
  b.group = 2;
  EXPECT_FALSE(two_excluded(a, b)) << "another video; the same target number means nothing";
  b.group = 1, b.frame = -1;
  EXPECT_FALSE(two_excluded(a, b)) << "no frame number";
  b.place = 7;
  EXPECT_TRUE(two_excluded(a, b)) << "the same pair drawn twice";
  b.image = -1;
  EXPECT_TRUE(two_excluded(a, b)) << "no row";
}

TEST(OfImages, GivesEachRowItsImagesNumber) {
  const std::vector<double> per_image = {0.25, 0.75};
  const std::vector<std::int32_t> image = {1, 0, -1, 1}, wrong = {2, 0, 0, 0};
  std::vector<double> out(4, 9);
  cpu::of_images(span(per_image), span(image), span(out));
  EXPECT_THAT(out, ElementsAre(0.75, 0.25, 0, 0.75));
  EXPECT_THROW(cpu::of_images(span(per_image), span(wrong), span(out)), Error);
}

}  // namespace
}  // namespace ktrain
