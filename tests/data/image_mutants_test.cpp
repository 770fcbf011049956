#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/image_io.h"
#include "tests/support/data.h"
#include "tests/support/mutate.h"

namespace ktrain {
namespace {

std::string text_of(const test::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// Any bytes give an image within the limits or a Fault.
void survive(const std::vector<std::string>& seeds, const std::vector<std::string>& tokens,
             const ImageLimits& limits) {
  int decoded = 0, refused = 0;
  test::for_each_mutant(seeds, tokens, 10000, [&](const std::string& text) {
    const test::Bytes bytes(text.begin(), text.end());
    try {
      const Image image = decode_image({"mutant", bytes}, limits);
      EXPECT_EQ(image.rgb.size(), image.num_bytes());
      ++decoded;
    } catch (const Fault&) {
      ++refused;
    }
  });
  EXPECT_EQ(decoded + refused, 10000);
  EXPECT_GT(decoded, 20);
  EXPECT_GT(refused, 1000);
}

TEST(ImageMutants, TenThousandJpegs) {
  survive({text_of(encode_jpeg(test::gradient_image(16, 24))),
           text_of(test::progressive_jpeg(16, 16)), text_of(test::grey_jpeg(16, 16))},
          {"\xff\xd9", "\xff\xda", "\xff\xc4", "\xff\xff", "\xff\xc2"}, {});
}

TEST(ImageMutants, TenThousandPngs) {
  ImageLimits limits;
  limits.verify_checksums = false;  // else hardly a mutant reaches the decoder
  survive({text_of(encode_png(test::gradient_image(9, 7))), text_of(test::grey_png(8, 8))},
          {"IDAT", "PLTE", "tRNS", "IEND", "\xff\xff\xff\xff"}, limits);
}

TEST(ImageMutants, TenThousandBmps) {
  survive({text_of(test::encode_bmp(test::gradient_image(5, 7)))},
          {"BM", "\xff\xff\xff\xff", std::string("\0\0\0\x80", 4), "\x18", "\x28"}, {});
}

}  // namespace
}  // namespace ktrain
