#include "data/coco_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/data.h"
#include "tests/support/mutate.h"

namespace ktrain {
namespace {

using test::fault_of;
using testing::HasSubstr;

const std::string kStock =
    R"({"images": [{"id": 7, "file_name": "visible/a.jpg", "width": 640, "height": 512},
               {"id": 0, "file_name": "visible/b.jpg", "width": 640, "height": 512}],
  "annotations": [{"id": 0, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40.5], "iscrowd": 0},
                  {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 1}],
  "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "people"}]})";
const std::string kMlpd =
    R"({"images": [{"id": 0, "im_name": "set06/V000/I00019", "height": 512, "width": 640}],
  "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "height": 4,
                   "occlusion": 2, "ignore": 1}],
  "categories": [{"id": 0, "name": "__ignore__"}, {"id": 1, "name": "person"}]})";
const std::string kStrings =
    R"({"categories": [{"id": 0, "name": "person"}], "annotations": [{"id": 1, "image_id": "010001",
  "category_id": 0, "bbox": [1, 2, 3, 4]}], "images": [{"id": "010001", "file_name": "010001.jpg"}]})";

TEST(Coco, ReadsStockFiles) {
  const CocoFile file = parse_coco({"a.json", kStock});
  ASSERT_EQ(file.images.size(), 2u);
  EXPECT_EQ(file.images[0].id, "7");
  EXPECT_EQ(file.images[0].visible, "visible/a.jpg");
  const auto& objects = file.images[0].annotation.objects;
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].label, "person");
  EXPECT_EQ(objects[0].box, (std::array<double, 4>{10, 20, 40, 60.5}));
  EXPECT_TRUE(objects[1].ignore);
  EXPECT_TRUE(file.images[1].annotation.objects.empty());
}

TEST(Coco, ReadsMlpdAndStringIdsInAnyOrder) {
  const CocoFile mlpd = parse_coco({"k.json", kMlpd});
  ASSERT_EQ(mlpd.images.size(), 1u);
  EXPECT_THAT(mlpd.images[0].visible, HasSubstr("set06/V000/I00019"));
  ASSERT_EQ(mlpd.images[0].annotation.objects.size(), 1u);
  EXPECT_TRUE(mlpd.images[0].annotation.objects[0].ignore);
  EXPECT_EQ(mlpd.images[0].annotation.objects[0].occlusion, 2);
  const CocoFile strings = parse_coco({"s.json", kStrings});
  ASSERT_EQ(strings.images.size(), 1u);
  EXPECT_EQ(strings.images[0].annotation.objects.size(), 1u);
}

TEST(Coco, RefusesWhatDoesNotHoldTogether) {
  const auto refused = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return fault_of([&] { (void)parse_coco({"a.json", text}); });
  };
  EXPECT_THAT(refused(kStock, "\"image_id\": 7", "\"image_id\": 9"), HasSubstr("a.json"));
  EXPECT_NE(refused(kStock, "\"category_id\": 2", "\"category_id\": 3"), "");
  EXPECT_NE(refused(kStock, "\"id\": 0, \"file", "\"id\": 7, \"file"), "");
  EXPECT_NE(refused(kStock, "[1, 2, 3, 4]", "[1, 2, 3]"), "");
  EXPECT_NE(refused(kStock, "[1, 2, 3, 4]", "\"box\""), "");
  EXPECT_NE(refused(kStock, "\"people\"}]}", "\"people\"}"), "");
}

TEST(Coco, DepthIsCappedWithoutRecursion) {
  EXPECT_NE(fault_of([] { (void)parse_coco({"d.json", std::string(1000000, '[')}); }), "");
  std::string nested = R"({"info": )";
  for (int i = 0; i < 100000; ++i) nested += R"({"a": )";
  EXPECT_NE(fault_of([&] { (void)parse_coco({"d.json", nested}); }), "");
}

TEST(Coco, TenThousandMutants) {
  int parsed = 0, refused = 0;
  test::for_each_mutant(
      {kStock, kMlpd, kStrings},
      {"[", "]", "{", "}", "1e999", "-1", "null", "\"id\": 7,", "\\ud800", "99999999999999999999"},
      10000, [&](const std::string& text) {
        try {
          (void)parse_coco({"mutant", text});
          ++parsed;
        } catch (const Fault&) {
          ++refused;
        }
      });
  EXPECT_EQ(parsed + refused, 10000);
  EXPECT_GT(parsed, 50);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace ktrain
