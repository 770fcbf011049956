#include "data/image_io.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/data.h"

namespace ktrain {
namespace {

using test::Bytes;
using test::fault_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string decode_fault(const Bytes& bytes) {
  return fault_of([&] { (void)decode_image({"a.jpg", bytes}); });
}

double mean_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.rgb.size(), b.rgb.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(int{a.rgb[i]} - int{b.rgb[i]});
  return sum / static_cast<double>(a.rgb.size());
}

TEST(ImageIo, PngIsExactAndJpegIsClose) {
  const Image image = test::gradient_image(37, 53);
  EXPECT_EQ(decode_image({"a.png", encode_png(image)}).rgb, image.rgb);
  const Bytes jpeg = encode_jpeg(image, 95);
  const ImageInfo info = image_info({"a.jpg", jpeg});
  EXPECT_EQ(info.width, 53);
  EXPECT_EQ(info.height, 37);
  EXPECT_EQ(info.channels, 3);
  // Quality 95 keeps a smooth picture within a grey level or two on average.
  EXPECT_LT(mean_difference(decode_image({"a.jpg", jpeg}), image), 2.0);
}

TEST(ImageIo, ChannelOrderIsRgb) {
  Image red{16, 16, {}};
  for (int i = 0; i < 256; ++i) red.rgb.insert(red.rgb.end(), {250, 10, 20});
  for (const Bytes& bytes : {encode_jpeg(red), encode_png(red)}) {
    const Image got = decode_image({"red", bytes});
    EXPECT_NEAR(got.rgb[0], 250, 3);
    EXPECT_NEAR(got.rgb[2], 20, 3);
  }
}

TEST(ImageIo, GreyFilesBecomeThreeEqualChannels) {
  for (const Bytes& bytes : {test::grey_jpeg(24, 40), test::grey_png(24, 40)}) {
    EXPECT_EQ(image_info({"grey", bytes}).channels, 1);
    const Image got = decode_image({"grey", bytes});
    ASSERT_EQ(got.rgb.size(), 24u * 40u * 3u);
    for (std::size_t i = 0; i < got.rgb.size(); i += 3) {
      ASSERT_EQ(got.rgb[i], got.rgb[i + 1]);
      ASSERT_EQ(got.rgb[i], got.rgb[i + 2]);
    }
    EXPECT_NE(got.rgb.front(), got.rgb.back());
  }
}

TEST(ImageIo, BmpIsExact) {
  const Image image = test::gradient_image(5, 7);
  EXPECT_EQ(decode_image({"a.bmp", test::encode_bmp(image)}).rgb, image.rgb);
}

TEST(ImageIo, EveryTruncationIsFound) {
  const Image image = test::gradient_image(40, 48);
  for (const Bytes& whole : {encode_jpeg(image), test::progressive_jpeg(40, 48), encode_png(image),
                             test::encode_bmp(image)}) {
    ASSERT_NO_THROW((void)decode_image({"whole", whole}));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      ASSERT_THROW((void)decode_image({"cut", cut}), Fault) << size << " of " << whole.size();
    }
  }
}

TEST(ImageIo, TruncationSaysSo) {
  Bytes jpeg = encode_jpeg(test::gradient_image(64, 64));
  jpeg.resize(jpeg.size() / 2);
  EXPECT_THAT(decode_fault(jpeg),
              AllOf(StartsWith("KT-DATA-002: a.jpg: "), HasSubstr("truncated")));
  // The end mark alone does not make a cut file whole: the decoder's warning is an error.
  jpeg.push_back(0xFF);
  jpeg.push_back(0xD9);
  EXPECT_THAT(decode_fault(jpeg), AllOf(StartsWith("KT-DATA-002: a.jpg: "), HasSubstr("damaged")));
}

TEST(ImageIo, BytesAfterTheEndAreAllowed) {
  Bytes jpeg = encode_jpeg(test::gradient_image(16, 16));
  jpeg.insert(jpeg.end(), 100, 0xAB);
  EXPECT_NO_THROW((void)decode_image({"a.jpg", jpeg}));
}

TEST(ImageIo, SizeLimitsHoldBeforeMemoryIsTaken) {
  Bytes jpeg = encode_jpeg(test::gradient_image(16, 16));
  const std::size_t frame = test::find_bytes(jpeg, {0xFF, 0xC0});
  jpeg[frame + 5] = jpeg[frame + 6] = jpeg[frame + 7] = jpeg[frame + 8] = 0xFF;
  EXPECT_THAT(decode_fault(jpeg), AllOf(StartsWith("KT-DATA-004"), HasSubstr("65535x65535")));
  // 8000 x 8000 is within the limits, but no Huffman code fits it in a few hundred bytes.
  jpeg[frame + 5] = jpeg[frame + 7] = 0x1F;
  jpeg[frame + 6] = jpeg[frame + 8] = 0x40;
  EXPECT_THAT(decode_fault(jpeg), AllOf(StartsWith("KT-DATA-002"), HasSubstr("cannot hold")));
  EXPECT_THAT(fault_of([&] {
                (void)image_info({"b", encode_png(test::gradient_image(9, 9))}, {8});
              }),
              StartsWith("KT-DATA-004: b: the header says 9x9"));
  ImageLimits small;
  small.max_file_bytes = 10;
  EXPECT_THAT(fault_of([&] { (void)image_info({"c", jpeg}, small); }), StartsWith("KT-DATA-004"));
}

TEST(ImageIo, TooManyScansAreRefused) {
  const Bytes whole = test::progressive_jpeg(32, 32);
  ImageLimits limits;
  limits.max_scans = 3;
  EXPECT_THAT(fault_of([&] {
                check_image_complete({"p", whole}, limits);
              }),
              AllOf(StartsWith("KT-DATA-004"), HasSubstr("3 scans")));
  EXPECT_NO_THROW(check_image_complete({"p", whole}));
  // Thousands of copies of the last scan.
  Bytes many = whole;
  const std::size_t scan = test::find_last_bytes(whole, {0xFF, 0xDA});
  for (int i = 0; i < 2000; ++i)
    many.insert(many.end() - 2, whole.begin() + static_cast<std::ptrdiff_t>(scan), whole.end() - 2);
  EXPECT_THAT(decode_fault(many), AllOf(StartsWith("KT-DATA-004"), HasSubstr("scans")));
}

TEST(ImageIo, OtherFormatsAreNamed) {
  const auto text = [](std::string_view head) {
    return decode_fault(Bytes(head.begin(), head.end()));
  };
  EXPECT_THAT(text("GIF89a..........."), AllOf(StartsWith("KT-DATA-003"), HasSubstr("GIF")));
  EXPECT_THAT(text("8BPS............."), HasSubstr("Photoshop"));
  EXPECT_THAT(text("#?RADIANCE\n......"), HasSubstr("HDR"));
  EXPECT_THAT(text("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(text("what is this"), HasSubstr("'what is '"));
  EXPECT_THAT(text(""), HasSubstr("empty"));
  EXPECT_THAT(text(std::string_view("\0\0\0\0\0\0", 6)), HasSubstr("zero bytes"));
}

TEST(ImageIo, SixteenBitsAreRefused) {
  Bytes png = encode_png(test::gradient_image(8, 8));
  png[24] = 16;
  test::fix_png_checksums(png);
  EXPECT_THAT(decode_fault(png), AllOf(StartsWith("KT-DATA-003"), HasSubstr("16 bits")));
}

TEST(ImageIo, PngChecksumIsVerified) {
  Bytes png = encode_png(test::gradient_image(20, 20));
  png[png.size() / 2] ^= 0x10;
  EXPECT_THAT(decode_fault(png), AllOf(StartsWith("KT-DATA-002"), HasSubstr("checksum")));
}

TEST(ImageIo, ExifOrientationIsAnError) {
  EXPECT_THAT(
      decode_fault(test::with_exif_orientation(encode_jpeg(test::gradient_image(16, 16)), 6)),
      AllOf(StartsWith("KT-DATA-005: a.jpg: EXIF orientation 6")));
  EXPECT_NO_THROW((void)decode_image(
      {"up", test::with_exif_orientation(encode_jpeg(test::gradient_image(16, 16)), 1)}));
}

TEST(ImageIo, WritesFiles) {
  const test::TempFolder folder;
  const Image image = test::gradient_image(12, 10);
  write_image(folder.path() / "a.png", image);
  EXPECT_EQ(decode_image({"a", test::read_bytes(folder.path() / "a.png")}).rgb, image.rgb);
  EXPECT_THAT(fault_of([&] { write_image(folder.path() / "none" / "a.jpg", image); }),
              AllOf(StartsWith("KT-IO-001"), HasSubstr("No such file")));
  EXPECT_THROW(write_image(folder.path() / "a.gif", image), Error);
}

}  // namespace
}  // namespace ktrain
