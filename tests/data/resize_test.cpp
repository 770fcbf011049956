#include "data/resize.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

Image read_record(std::istream& in) {
  Image image;
  in >> image.height >> image.width;
  image.rgb.resize(image.num_bytes());
  for (std::uint8_t& value : image.rgb) {
    int number = -1;
    in >> number;
    value = static_cast<std::uint8_t>(number);
  }
  return image;
}

// tests/reference/resize_opencv.py made the numbers.
TEST(Resize, AgreesWithOpenCv) {
  std::ifstream file(KT_SOURCE_DIR "/tests/data/golden/resize_opencv.txt");
  ASSERT_TRUE(file);
  std::string word;
  int outputs = 0, checked = 0;
  while (file >> word >> outputs) {
    ASSERT_EQ(word, "input");
    const Image in = read_record(file);
    for (int i = 0; i < outputs; ++i, ++checked) {
      const Image want = read_record(file);
      ASSERT_TRUE(file);
      const Image got = resize_bilinear(in, {want.height, want.width});
      ASSERT_EQ(got.rgb.size(), want.rgb.size());
      int worst = 0;
      for (std::size_t k = 0; k < got.rgb.size(); ++k)
        worst = std::max(worst, std::abs(int{got.rgb[k]} - int{want.rgb[k]}));
      // The same fixed point gives the same numbers; newer OpenCV rounds some of them once less.
      EXPECT_LE(worst, 1) << in.width << "x" << in.height << " to " << want.width << "x"
                          << want.height;
    }
  }
  EXPECT_EQ(checked, 10);
}

TEST(Resize, KeepsTheRatio) {
  // reference: LLVIP under (640, 640) and (640, 512), KAIST unchanged, a portrait turns the scale.
  EXPECT_EQ(resized({1024, 1280}, {640, 640}), (Size{512, 640}));
  EXPECT_EQ(resized({1024, 1280}, {640, 512}), (Size{512, 640}));
  EXPECT_EQ(resized({512, 640}, {640, 512}), (Size{512, 640}));
  EXPECT_EQ(resized({1280, 1024}, {640, 512}), (Size{640, 512}));
  EXPECT_EQ(resized({768, 1024}, {640, 512}), (Size{480, 640}));
  EXPECT_EQ(resized({1, 10000}, {640, 512}), (Size{1, 640}));
  // int(333 * (640 / 500) + 0.5) = int(426.74) = 426
  EXPECT_EQ(resized({333, 500}, {640, 512}), (Size{426, 640}));
}

TEST(Resize, PadsUp) {
  EXPECT_EQ(padded({512, 640}), (Size{512, 640}));
  EXPECT_EQ(padded({480, 641}), (Size{480, 672}));
  EXPECT_EQ(padded({1, 1}, 16), (Size{16, 16}));
}

TEST(Resize, ReusesMemoryAndRefusesNothing) {
  Image in{4, 4, std::vector<std::uint8_t>(48, 100)};
  Image out;
  resize_bilinear(in, {8, 8}, out);
  const std::uint8_t* memory = out.rgb.data();
  resize_bilinear(in, {6, 5}, out);
  EXPECT_EQ(out.rgb.data(), memory);
  EXPECT_TRUE(std::all_of(out.rgb.begin(), out.rgb.end(), [](int v) { return v == 100; }));
  EXPECT_THROW(resize_bilinear(in, {0, 5}, out), Error);
}

}  // namespace
}  // namespace ktrain
