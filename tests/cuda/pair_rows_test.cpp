// The CUDA tables of pair rows are the CPU's, to the bit.
#include "kernels/pair_rows.h"

#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

struct Table {
  Floats rois;
  Ints image, marks;
  Floats valid;
  Ints count;
  friend bool operator==(const Table&, const Table&) = default;
};

Table empty_table(std::int64_t rows) {
  const auto n = static_cast<std::size_t>(rows);
  return {Floats(n * 4, 7), Ints(n, 7), Ints(n * kMarkColumns, 7), Floats(n, 7), {7}};
}

PairRowViews<float> views(Table& t) {
  return {test::rows(t.rois, 4), span(t.image), test::rows(t.marks, kMarkColumns), span(t.valid),
          span(t.count)};
}

struct DeviceTable {
  DeviceView<float> rois, valid;
  DeviceView<std::int32_t> image, marks, count;
  explicit DeviceTable(std::int64_t rows)
      : rois(rows * 4), valid(rows), image(rows), marks(rows * kMarkColumns), count(1) {}
  [[nodiscard]] PairRowViews<float> views() const {
    const std::int64_t rows = valid.span().size;
    return {{rois.data(), rows, 4},
            image.span(),
            {marks.data(), rows, kMarkColumns},
            valid.span(),
            count.span()};
  }
  [[nodiscard]] Table to_host(CudaStream s) const {
    return {rois.to_host(s), image.to_host(s), marks.to_host(s), valid.to_host(s),
            count.to_host(s)};
  }
};

Ints pattern(std::int64_t size, int step, int modulo, int shift) {
  Ints values;
  for (std::int64_t i = 0; i < size; ++i)
    values.push_back(static_cast<std::int32_t>(i * step % modulo) + shift);
  return values;
}

struct Case {
  std::int64_t images, size, per_image;
};
class PairRowsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, PairRowsCuda,
                         testing::Values(Case{0, 0, 0}, Case{1, 1, 1}, Case{3, 8, 5}, Case{2, 4, 9},
                                         Case{7, 64, 50}));

TEST_P(PairRowsCuda, PositiveRowsAreTheCpus) {
  KT_NEEDS_GPU();
  const auto [images, size, per_image] = GetParam();
  const Stream stream;
  CudaStream const s = stream.get();
  const Floats rois = test::random_floats(images * size * 4, 1);
  const Ints labels = pattern(images * size, 5, 7, -1), targets = pattern(images * size, 3, 11, 0);
  const Ints identity = pattern(images * kIdentityColumns, 3, 8, -1);
  Table want = empty_table(images * per_image);
  cpu::positive_rows<float>({test::rows(rois, 4), span(labels), span(targets)},
                            test::rows(identity, kIdentityColumns), views(want), 4);
  const DeviceView<float> drois(s, rois, 1);
  const DeviceView<std::int32_t> dlabels(s, labels), dtargets(s, targets), didentity(s, identity);
  const DeviceTable got(images * per_image);
  cuda::positive_rows(s, {{drois.data(), images * size, 4}, dlabels.in(), dtargets.in()},
                      {didentity.data(), images, kIdentityColumns}, got.views(), 4);
  EXPECT_EQ(got.to_host(s), want);
}

TEST_P(PairRowsCuda, WholeImageRowsAreTheCpus) {
  KT_NEEDS_GPU();
  const std::int64_t images = GetParam().images;
  const Stream stream;
  CudaStream const s = stream.get();
  const Ints sizes = pattern(images * 2, 13, 500, 30);
  const Ints identity = pattern(images * kIdentityColumns, 3, 8, -1);
  Table want = empty_table(images);
  cpu::whole_image_rows<float>(test::rows(sizes, 2), test::rows(identity, kIdentityColumns),
                               views(want));
  const DeviceView<std::int32_t> dsizes(s, sizes), didentity(s, identity);
  const DeviceTable got(images);
  cuda::whole_image_rows(s, {dsizes.data(), images, 2},
                         {didentity.data(), images, kIdentityColumns}, got.views());
  EXPECT_EQ(got.to_host(s), want);
}

// Boxes on few places, so that some meet, and few images, groups and frames.
TEST_P(PairRowsCuda, ExclusionsAndNumbersOfImagesAreTheCpus) {
  KT_NEEDS_GPU();
  const std::int64_t rows = GetParam().images * GetParam().per_image;
  const Stream stream;
  CudaStream const s = stream.get();
  Floats rois;
  Ints marks;
  const Ints image = pattern(rows, 3, 5, -1);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto at = static_cast<float>(r * 7 % 13) * 3.3f;
    rois.insert(rois.end(), {at, at / 2, at + 11.1f, at / 2 + 9.7f});
    for (const int value : {static_cast<int>(r % 4) - 1, static_cast<int>(r % 3) - 1,
                            static_cast<int>(r * 5 % 9) - 1, static_cast<int>(r % 6) - 1})
      marks.push_back(value);
  }
  const Floats numbers = {0.5f, 2, 3, 4};
  const DeviceView<float> drois(s, rois, 1), dnumbers(s, numbers), of_images(rows);
  const DeviceView<std::int32_t> dimage(s, image), dmarks(s, marks);
  for (const std::int64_t neighbours : {0, 3}) {
    const ExclusionRule rule{0.3, neighbours};
    std::vector<std::uint8_t> want(static_cast<std::size_t>(rows * rows));
    cpu::exclusions<float>({rois.data(), rows, 4}, span(image), {marks.data(), rows, kMarkColumns},
                           {want.data(), rows, rows}, rule);
    const DeviceView<std::uint8_t> got(rows * rows);
    cuda::exclusions(s, {drois.data(), rows, 4}, dimage.in(), {dmarks.data(), rows, kMarkColumns},
                     {got.data(), rows, rows}, rule);
    EXPECT_EQ(got.to_host(s), want);
  }
  Floats want(static_cast<std::size_t>(rows));
  cpu::of_images<float>(span(numbers), span(image), span(want));
  cuda::of_images(s, dnumbers.in(), dimage.in(), of_images.span());
  EXPECT_EQ(of_images.to_host(s), want);
}

TEST(PairRowsCudaValues, AnImageThatThereIsNotShows) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> numbers(stream.get(), {1, 2}), out(4);
  const DeviceView<std::int32_t> image(stream.get(), {2, 1, -1, -2});
  cuda::of_images(stream.get(), numbers.in(), image.in(), out.span());
  const Floats got = out.to_host(stream.get());
  EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[3]));
  EXPECT_EQ(got[1], 2);
  EXPECT_EQ(got[2], 0);
}

TEST(PairRowsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> per_image(2), out(4);
  const DeviceView<std::int32_t> image(3);
  EXPECT_EQ(test::message_of([&] {
              cuda::of_images(stream.get(), per_image.in(), image.in(), out.span());
            }).rfind("of_images: 3 rows, 4 outputs", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
