#include "train/metrics/results.h"

#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "train/metrics/text_file.h"

namespace ktrain::metrics {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kJson = R"({
 "images": [{"id": 0, "im_name": "set06/V000/I00019"}, {"id": "b", "file_name": "set09/V000/I00019"}],
 "categories": [{"id": 0, "name": "__ignore__"}, {"id": 1, "name": "person"}],
 "annotations": [
  {"image_id": 0, "category_id": 1, "bbox": [10, 20, 30, 40], "occlusion": 2, "ignore": 0},
  {"image_id": "b", "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1, "area": 7},
  {"image_id": "b", "category_id": 0, "bbox": [1, 2, 3, 4]}]})";

Annotations annotations() { return parse_annotations(kJson, "dir/a.json"); }

class Folder : public ::testing::Test {
 protected:
  Folder()
      : path(fs::path(::testing::TempDir()) /
             ("results_" +
              std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() override { fs::remove_all(path); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return path / name;
  }

  fs::path path;
};

using ResultsFile = Folder;

TEST(Annotations, ReadsBothDialects) {
  const Annotations truth = annotations();
  EXPECT_EQ(truth.name, "a");
  EXPECT_THAT(truth.classes, ::testing::ElementsAre("__ignore__", "person"));
  EXPECT_THAT(truth.image_ids, ::testing::ElementsAre("0", "\"b\""));
  ASSERT_EQ(truth.images.size(), 2u);
  EXPECT_EQ(truth.images[1].name, "set09/V000/I00019");
  ASSERT_EQ(truth.images[1].targets.size(), 2u);
  EXPECT_EQ(truth.images[0].targets[0].occlusion, 2);
  EXPECT_TRUE(truth.images[1].targets[0].ignore);
  EXPECT_EQ(truth.images[1].targets[0].area, 7);
  EXPECT_EQ(truth.count_targets(), 2);
  const auto persons = single_class(truth, 1, true);
  EXPECT_EQ(persons[1].targets[1].label, 1);
  EXPECT_TRUE(persons[1].targets[1].ignore);
  EXPECT_EQ(single_class(truth, 1, false)[1].targets.size(), 1u);
}

TEST(Annotations, FingerprintNamesWhatWasScored) {
  EXPECT_EQ(fingerprint("kaist-test20", "improved", 2252, 1455, "07f525a4a28ebf96"),
            "[kaist-test20/improved 2252 img 1455 gt #07f525a4]");
  EXPECT_THAT(fingerprint(annotations(), 1), ::testing::StartsWith("[custom/a 2 img 1 gt #"));
}

TEST(Annotations, SaysWhereAFileIsWrong) {
  const auto parse = [](const std::string& from, const std::string& to) {
    std::string text = kJson;
    text.replace(text.find(from), from.size(), to);
    return [text] { (void)parse_annotations(text, "a.json"); };
  };
  EXPECT_THAT(parse("\"images\": [", "\"images\": [,"),
              ThrowsMessage<Fault>("KT-EVAL-001: a.json:2:13: not valid JSON here"));
  EXPECT_THAT(parse("\"images\"", "\"imags\""),
              ThrowsMessage<Fault>(HasSubstr("a.json: no list 'images'")));
  EXPECT_THAT(parse("[10, 20, 30, 40]", "[10, 20, 30]"),
              ThrowsMessage<Fault>(HasSubstr("a.json: annotations[0]: 'bbox' is not four")));
  EXPECT_THAT(parse("[10, 20, 30, 40]", "[10, 20, -3, 40]"),
              ThrowsMessage<Fault>(HasSubstr("annotations[0]: 'bbox' has width -3")));
  EXPECT_THAT(parse("\"image_id\": 0", "\"image_id\": 7"),
              ThrowsMessage<Fault>(HasSubstr("annotations[0]: no image has id 7")));
  EXPECT_THAT(parse("\"category_id\": 0", "\"category_id\": 9"),
              ThrowsMessage<Fault>(HasSubstr("annotations[2]: no category has id 9")));
  EXPECT_THAT(parse("\"id\": \"b\"", "\"id\": \"0\""),
              ThrowsMessage<Fault>(HasSubstr("images[1]: a second image has id")));
  EXPECT_THAT(parse("\"occlusion\": 2", "\"occlusion\": 3"),
              ThrowsMessage<Fault>(HasSubstr("annotations[0]: 'occlusion' is 3")));
  EXPECT_THAT(parse("{\"id\": 0, \"name\"", "{\"name\""),
              ThrowsMessage<Fault>(HasSubstr("categories[0]: member 'id' is missing")));
  EXPECT_THAT([] { (void)read_annotations("/nowhere/a.json"); },
              ThrowsMessage<Fault>(HasSubstr("KT-EVAL-005: /nowhere/a.json: No such file")));
}

TEST_F(ResultsFile, KaistRoundTrip) {
  std::vector<Detections> images(2);
  images[1] = {{.box = {1.25, 2.5, 30, 40}, .score = .12345678, .label = 1},
               {.box = {0, 0, 1, 1}, .score = 1e-7, .label = 1}};
  write_kaist_results(path / "r.txt", images);
  EXPECT_EQ(
      read_text(path / "r.txt"),
      "2,1.2500,2.5000,30.0000,40.0000,0.12345678\n2,0.0000,0.0000,1.0000,1.0000,0.00000010\n");
  const Results back = read_results(path / "r.txt", annotations());
  EXPECT_EQ(back.boxes, 2);
  EXPECT_EQ(back.images_with_boxes, 1);
  EXPECT_EQ(back.lowest_score, 1e-7);
  ASSERT_EQ(back.images[1].size(), 2u);
  EXPECT_EQ(back.images[1][0].score, .12345678);
  EXPECT_EQ(back.images[1][0].box.w, 30);
  EXPECT_EQ(back.images[1][0].label, 1);
}

TEST_F(ResultsFile, CocoRoundTrip) {
  std::vector<Detections> images(2);
  images[0] = {{.box = {1.25, 2.5, 30, 40}, .score = .5, .label = 0}};
  images[1] = {{.box = {0, 0, 1, 1}, .score = .25, .label = 1}};
  const Annotations truth = annotations();
  write_coco_results(path / "r.json", images, truth.image_ids, truth.category_ids);
  const Results back = read_results(path / "r.json", truth);
  EXPECT_EQ(back.format, ResultsFormat::kCoco);
  ASSERT_EQ(back.images[0].size(), 1u);
  EXPECT_EQ(back.images[0][0].box.x, 1.25);
  EXPECT_EQ(back.images[0][0].label, 0);
  EXPECT_EQ(back.images[1][0].label, 1);
  write_coco_results(path / "empty.json", std::vector<Detections>(2), truth.image_ids,
                     truth.category_ids);
  EXPECT_EQ(read_results(path / "empty.json", truth).boxes, 0);
}

TEST_F(ResultsFile, MatlabVariantSubtractsOneAndJoinsDayAndNight) {
  write("x-test-day.txt", "1,11,21,30,40,0.9\n");
  write("x-test-night.txt", "1,12,22,30,40,0.8\n");
  write("x-test-all.txt", "1,11,21,30,40,0.9\n2,12,22,30,40,0.8\n");
  for (const char* name : {"x-test-day.txt", "x-test-night.txt", "x-test-all.txt"}) {
    const Results results = read_results(path / name, annotations());
    EXPECT_EQ(results.format, ResultsFormat::kMatlab);
    ASSERT_EQ(results.images[0].size(), 1u) << name;
    ASSERT_EQ(results.images[1].size(), 1u) << name;
    EXPECT_EQ(results.images[0][0].box.x, 10);
    EXPECT_EQ(results.images[1][0].box.y, 21);
    EXPECT_EQ(results.images[1][0].box.w, 30);
  }
  fs::remove(path / "x-test-night.txt");
  EXPECT_THAT([&] { (void)read_results(path / "x-test-day.txt", annotations()); },
              ThrowsMessage<Fault>(HasSubstr("x-test-night.txt: No such file")));
}

TEST_F(ResultsFile, AFolderNeedsAFilePerImage) {
  write("set06_V000_I00019.txt", "person 10 20 40 60 0.9\r\n\n");
  EXPECT_THAT([&] { (void)read_results(path, annotations()); },
              ThrowsMessage<Fault>(
                  HasSubstr("1 of 2 images have no file, the first is set09_V000_I00019.txt")));
  write("set09_V000_I00019.txt", "");
  const Results results = read_results(path, annotations());
  ASSERT_EQ(results.boxes, 1);
  EXPECT_EQ(results.images[0][0].box.w, 30);
  write("set09_V000_I00019.txt", "car 10 20 40 60 0.9\n");
  EXPECT_THAT([&] { (void)read_results(path, annotations()); },
              ThrowsMessage<Fault>(HasSubstr("set09_V000_I00019.txt:1: class 'car'")));
}

TEST(ResultsText, SaysWhereALineIsWrong) {
  const auto parse = [](const std::string& text) {
    return [text] {
      std::vector<Detections> images(2);
      parse_kaist_lines(text, "r.txt", 0, 2, Box{}, 0, images);
    };
  };
  EXPECT_THAT(parse("1,1,1,1,1,.5\n\n1,2,3\n"),
              ThrowsMessage<Fault>(HasSubstr("KT-EVAL-002: r.txt:3: 3 fields, 6 were expected")));
  EXPECT_THAT(parse("1,1,1,1,1,.5,9\n"), ThrowsMessage<Fault>(HasSubstr("r.txt:1: 7 fields")));
  EXPECT_THAT(parse("1,1,x\x1b,1,1,.5\n"),
              ThrowsMessage<Fault>(HasSubstr("r.txt:1: field 3 (y) is 'x\\x1b'")));
  EXPECT_THAT(parse("1,1,1,1,1,nan\n"),
              ThrowsMessage<Fault>(HasSubstr("field 6 (score) is 'nan'")));
  EXPECT_THAT(parse("1,1,1,-1,1,.5\n"), ThrowsMessage<Fault>(HasSubstr("width -1, height 1")));
  EXPECT_THAT(parse("1.5,1,1,1,1,.5\n"), ThrowsMessage<Fault>(HasSubstr("image 1.5")));
  for (const char* number : {"0", "3", "-1", "1e300"})
    EXPECT_THAT(parse(std::string(number) + ",1,1,1,1,.5\n"),
                ThrowsMessage<Fault>(HasSubstr("KT-EVAL-003: r.txt:1: image ")));
}

TEST(ResultsCoco, SaysWhichEntryIsWrong) {
  const Annotations truth = annotations();
  const auto parse = [&truth](const std::string& text) {
    return [text, &truth] {
      std::vector<Detections> images(2);
      parse_coco_results(text, "r.json", truth, images);
    };
  };
  const std::string good = R"({"image_id": 0, "category_id": 1, "bbox": [1,2,3,4], "score": 0.5})";
  EXPECT_NO_THROW(parse("[" + good + "]")());
  EXPECT_THAT(parse("{}"), ThrowsMessage<Fault>(HasSubstr("an array was expected")));
  EXPECT_THAT(parse("[" + good + ", {}]"), ThrowsMessage<Fault>(HasSubstr("r.json: entry 1: an")));
  EXPECT_THAT(parse(R"([{"image_id": 5, "category_id": 1, "bbox": [1,2,3,4], "score": 0.5}])"),
              ThrowsMessage<Fault>(
                  HasSubstr("KT-EVAL-003: r.json: entry 0: the annotation has no image 5")));
  EXPECT_THAT(parse(R"([{"image_id": 0, "category_id": 8, "bbox": [1,2,3,4], "score": 0.5}])"),
              ThrowsMessage<Fault>(HasSubstr("no category 8")));
  EXPECT_THAT(parse(R"([{"image_id": 0, "category_id": 1, "bbox": [1,2,3,"4"], "score": 0.5}])"),
              ThrowsMessage<Fault>(HasSubstr("a finite number was expected, found string")));
  EXPECT_THAT(parse("[" + good), ThrowsMessage<Fault>(HasSubstr("r.json:1:")));
}

// Whatever bytes arrive, the answer is detections or a Fault.
TEST(ResultsFuzz, MutatedInputNeverCrashes) {
  const Annotations truth = annotations();
  const std::string lines = "1,11.5,21,30,40,0.9\n2,12,22,30,40,0.8\n",
                    folder = "person 10 20 40 60 0.9\n",
                    coco = R"([{"image_id":0,"category_id":1,"bbox":[1,2,3,4],"score":0.5}])";
  std::mt19937 engine(7);
  const auto mutate = [&engine](std::string text) {
    for (unsigned n = engine() % 4 + 1; n > 0 && !text.empty(); --n) {
      const std::size_t at = engine() % text.size();
      switch (engine() % 4) {
        case 0:
          text[at] = static_cast<char>(engine());
          break;
        case 1:
          text.erase(at, engine() % 8 + 1);
          break;
        case 2:
          text.insert(at, text.substr(engine() % text.size(), engine() % 8));
          break;
        default:
          text.insert(at, 1, "[]{},:\"-.e9\n\0"[engine() % 13]);
      }
    }
    return text;
  };
  int refused = 0;
  const auto survives = [&refused](auto&& body) {
    try {
      body();
    } catch (const Fault&) {
      ++refused;
    }
  };
  for (int i = 0; i < 10000; ++i) {
    std::vector<Detections> images(2);
    survives([&] { parse_kaist_lines(mutate(lines), "r", 0, 2, Box{}, 0, images); });
    survives([&] { parse_image_lines(mutate(folder), "r", 0, images[0]); });
    survives([&] { parse_coco_results(mutate(coco), "r", truth, images); });
    survives([&] { (void)parse_annotations(mutate(kJson), "a"); });
  }
  EXPECT_GT(refused, 10000);
  EXPECT_LT(refused, 40000);
}

}  // namespace
}  // namespace ktrain::metrics
