#include "kernels/box_codec.h"

#include <cmath>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::rows;

template <class T>
void compare_with_pytorch(double relative) {
  const test::Reference reference("box_codec.txt");
  const auto boxes = reference.get<T>("boxes"), targets = reference.get<T>("targets"),
             deltas = reference.get<T>("deltas");
  std::vector<T> out(boxes.size());
  cpu::encode_boxes(rows(boxes, 4), rows(targets, 4), rows(out, 4), BoxCoding{});
  EXPECT_TRUE(test::all_close(out, reference.get<T>("encoded"), relative, relative));
  cpu::encode_boxes(rows(boxes, 4), rows(targets, 4), rows(out, 4), kRoiCoding);
  EXPECT_TRUE(test::all_close(out, reference.get<T>("encoded_roi"), 10 * relative, relative));
  cpu::decode_boxes(rows(boxes, 4), rows(deltas, 4), rows(out, 4), kRoiCoding);
  EXPECT_TRUE(test::all_close(out, reference.get<T>("decoded_roi"), 100 * relative, relative));
  cpu::decode_boxes(rows(boxes, 4), rows(deltas, 4), rows(out, 4), BoxCoding{});
  // Sides of up to 60 * e^4.135 = 3,750: an error of the exp there is one of the corner.
  EXPECT_TRUE(test::all_close(out, reference.get<T>("decoded"), 4000 * relative, relative));
  for (std::size_t i = 0; i < out.size(); i += 4) clip_box(T{96}, T{80}, &out[i]);
  EXPECT_TRUE(test::all_close(out, reference.get<T>("clipped"), 4000 * relative, relative));
}

// A handful of roundings of the stored float numbers: 4 * 2^-24 each way.
TEST(BoxCodec, FloatAgreesWithPyTorch) { compare_with_pytorch<float>(5e-7); }
TEST(BoxCodec, DoubleAgreesWithPyTorchsFloat) { compare_with_pytorch<double>(5e-7); }

TEST(BoxCodec, DecodeInvertsEncode) {
  const auto boxes = test::random_boxes<double>(500, 1, 640, 50);
  const auto targets = test::random_boxes<double>(500, 2, 640, 50);
  std::vector<double> deltas(2000), back(2000);
  const BoxCoding odd{{0.1, -0.2, 0.3, 0.05}, {0.1, 0.3, 0.2, 0.7}};
  cpu::encode_boxes(rows(boxes, 4), rows(targets, 4), rows(deltas, 4), odd);
  cpu::decode_boxes(rows(boxes, 4), rows(std::as_const(deltas), 4), rows(back, 4), odd);
  // Below the clamp at 62.5; ln and exp lose a digit or two of corners that reach 690.
  EXPECT_TRUE(test::all_close(back, targets, 1e-9, 0));
}

TEST(BoxCodec, ClampsAtSixteenThousandths) {
  EXPECT_DOUBLE_EQ(kMaxLogRatio, std::abs(std::log(16.0 / 1000)));
  const double box[4] = {0, 0, 16, 32}, up[4] = {0, 0, 9, 1e30}, down[4] = {0, 0, -9, -1e30};
  double out[4];
  decode_box(box, up, BoxCoding{}, out);
  EXPECT_NEAR(out[2] - out[0], 1000, 1e-9);
  EXPECT_NEAR(out[3] - out[1], 2000, 1e-9);
  decode_box(box, down, BoxCoding{}, out);
  EXPECT_NEAR(out[2] - out[0], 0.256, 1e-12);
  const double bad[4] = {0, 0, NAN, 0};
  decode_box(box, bad, BoxCoding{}, out);
  EXPECT_TRUE(std::isnan(out[0]));
}

TEST(BoxCodec, EmptyAndWrongShapes) {
  cpu::encode_boxes(Rows<const float>{nullptr, 0, 4}, Rows<const float>{nullptr, 0, 4},
                    Rows<float>{nullptr, 0, 4}, BoxCoding{});
  std::vector<float> a(8), b(12);
  try {
    cpu::decode_boxes(Rows<const float>{a.data(), 2, 4}, Rows<const float>{a.data(), 2, 4},
                      Rows<float>{b.data(), 3, 4}, BoxCoding{});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("decode_boxes: shapes 2x4, 2x4 and 3x4"));
  }
}

}  // namespace
}  // namespace ktrain
