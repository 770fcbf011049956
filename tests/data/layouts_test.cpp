#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/loader.h"
#include "data/pair_index.h"
#include "data/presets.h"
#include "tests/support/data.h"
#include "tests/support/layout_trees.h"

namespace ktrain {
namespace {

using test::fault_of;
using test::kLayoutBox;
using test::TempFolder;
using testing::HasSubstr;
using Box = std::array<double, 4>;

std::string problems(const PairReport& report) {
  std::string text;
  for (const DataProblem& problem : report.problems) text += problem.id + " " + problem.text + "\n";
  return text;
}

PairReport read(const TempFolder& folder, const PairSource& source) {
  return read_pairs(DataFolder(folder.path()), source, true);
}

class Layout : public testing::TestWithParam<std::string> {};

// Every name that a plan accepts is a tree that is read, with its own rules, up to the batch.
TEST_P(Layout, IsReadUpToTheBatch) {
  const TempFolder folder;
  const std::string list = test::layout_trees().at(GetParam())(folder);
  const PairReport report = read(folder, {.layout = GetParam(), .list = list});
  EXPECT_EQ(problems(report), "");
  ASSERT_EQ(report.index.size(), 3);
  EXPECT_EQ(report.positive, 3);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(report.index[i].width, 64);
    EXPECT_EQ(report.index[i].boxes.at(0).box, kLayoutBox);
  }
  const DataFolder files(folder.path());
  LoaderOptions options;
  options.batch = 3;
  options.scale = {64, 48};
  options.shuffle = false;
  options.workers = 0;
  Loader loader(report.index, files, options);
  const PairBatch& batch = loader.next();
  EXPECT_EQ(batch.count, 3);
  EXPECT_EQ(batch.boxes[0], 10.0f);
  EXPECT_NE(batch.visible, batch.thermal);
}

TEST_P(Layout, AMissingPartnerIsFoundWithItsPath) {
  const TempFolder folder;
  const std::string list = test::layout_trees().at(GetParam())(folder);
  const PairSource source = {.layout = GetParam(), .list = list};
  const PairReport before = read(folder, source);
  ASSERT_EQ(before.index.size(), 3);
  std::filesystem::remove(folder.path() / before.index[1].thermal);
  const PairReport after = read(folder, source);
  ASSERT_EQ(after.problems.size(), 1u) << problems(after);
  EXPECT_EQ(after.problems[0].id, "KT-DATA-011");
  EXPECT_EQ(after.problems[0].pair, before.index[1].id);
  EXPECT_EQ(after.index.size(), 2);
}

INSTANTIATE_TEST_SUITE_P(All, Layout, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const std::string_view name : preset_names())
                             names.emplace_back(name);
                           return names;
                         }()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(Layouts, UnknownNamesAndListsSayWhatThereIs) {
  const TempFolder folder;
  test::write_voc(folder);
  EXPECT_THAT(fault_of([&] { (void)read(folder, {.layout = "vocc", .list = "some"}); }),
              HasSubstr("no data layout 'vocc'; wanted one of synth, kaist"));
  EXPECT_THAT(fault_of([&] { (void)read(folder, {.layout = "voc", .list = "train"}); }),
              HasSubstr("ImageSets/train.txt: no such list; there is some"));
}

TEST(Layouts, AListCanBeSplitByPrefix) {
  const TempFolder folder;
  test::layout_trees().at("kaist")(folder);
  const auto count = [&](const std::string& list) {
    return read(folder, {.layout = "kaist", .list = list}).listed;
  };
  EXPECT_EQ(count("some:set00/V000/I0002"), 1);
  EXPECT_EQ(count("some:!set00/V000/I0002"), 2);
  EXPECT_EQ(count("some:set05"), 0);
  EXPECT_NE(fault_of([&] { (void)count("some:"); }), "");
  EXPECT_NE(fault_of([&] { (void)count("../some:set00"); }), "");
}

TEST(Layouts, TheFamiliesOfKaistAreNotMixed) {
  const TempFolder folder;
  test::layout_trees().at("kaist")(folder);
  for (const char* const family : {"kaist-sanitized", "kaist-improved", "kaist-paired"}) {
    const PairReport report = read(folder, {.layout = family, .list = "some"});
    EXPECT_EQ(report.index.size(), 0) << family;
    EXPECT_THAT(problems(report), HasSubstr("annotation is missing")) << family;
  }
}

// Per-modality boxes: the thermal box of pair 0 lies 4 to the right and is 2 taller.
TEST(Layouts, PairedBoxesAreChosen) {
  const TempFolder folder;
  test::layout_trees().at("kaist-paired")(folder);
  folder.write("annotations/set00/V000/lwir/I00000.txt",
               "% bbGt version=3\nperson 15 13 10 30 1 0 0 0 0 0 0\n");
  const auto box = [&](const std::string& boxes) {
    const PairReport report =
        read(folder, {.layout = "kaist-paired", .list = "some", .boxes = boxes});
    EXPECT_EQ(problems(report), "");
    return report.index[0].boxes.at(0);
  };
  EXPECT_EQ(box("visible").box, (Box{10, 12, 20, 40}));
  EXPECT_EQ(box("thermal").box, (Box{14, 12, 24, 42}));
  EXPECT_EQ(box("auto").box, box("thermal").box);
  EXPECT_EQ(box("mean").box, (Box{12, 12, 22, 41}));
  EXPECT_EQ(box("union").box, (Box{10, 12, 24, 42}));
  EXPECT_EQ(box("visible").occlusion, 1) << "the worse of the two";
  EXPECT_THAT(fault_of([&] { (void)box("both"); }), HasSubstr("boxes 'both'"));
  EXPECT_THAT(fault_of([&] { (void)read(folder, {.list = "some", .boxes = "mean"}); }),
              HasSubstr("boxes 'mean', but layout kaist has one annotation for both images"));
}

TEST(Layouts, PairedRowsMustGoTogether) {
  const TempFolder folder;
  test::layout_trees().at("kaist-paired")(folder);
  const auto write = [&](int frame, const std::string& rows) {
    folder.write(fmt::format("annotations/set00/V000/lwir/I{:05}.txt", frame),
                 "% bbGt version=3\n" + rows);
  };
  write(0, "");
  write(20, "people 15 13 10 30 0 0 0 0 0 0 0\n");
  const PairReport report = read(folder, {.layout = "kaist-paired", .list = "some"});
  EXPECT_THAT(problems(report), HasSubstr("KT-DATA-031"));
  EXPECT_THAT(problems(report), HasSubstr("visible/I00000.txt: 1 objects, but"));
  EXPECT_THAT(problems(report), HasSubstr("visible/I00020.txt:2: 'person', but 'people'"));
  EXPECT_EQ(report.index.size(), 1);
}

TEST(Layouts, VocListsMayNameOneModalityButNotSome) {
  const TempFolder folder;
  test::write_voc(folder);
  folder.write("ImageSets/visible.txt", "set00_V000_visible_I00000\nset00_V000_visible_I00001\n");
  const PairReport one = read(folder, {.layout = "voc", .list = "visible"});
  EXPECT_EQ(problems(one), "");
  EXPECT_EQ(one.index.size(), 2);
  EXPECT_EQ(one.index[0].id, "set00_V000_I00000");
  EXPECT_EQ(one.index[0].group, "set00/V000");
  folder.write("ImageSets/mixed.txt",
               "set00_V000_visible_I00000\nset00_V000_lwir_I00000\nset00_V000_lwir_I00001\n");
  EXPECT_THAT(problems(read(folder, {.layout = "voc", .list = "mixed"})),
              HasSubstr("mixed.txt:3: the visible image of set00_V000_I00001 is not listed"));
  // One XML and one name for both.
  const TempFolder shared;
  test::write_images(shared, 0, "visible/a.png", "infrared/a.png");
  shared.write("Annotations/a.xml", test::voc_xml(1));
  shared.write("ImageSets/Main/some.txt", "a\n");
  EXPECT_EQ(read(shared, {.layout = "voc", .list = "some"}).index.size(), 1);
}

TEST(Layouts, CocoInItsVariants) {
  const TempFolder folder;
  test::write_coco(folder);
  const std::string rest =
      R"("annotations": [{"id": 0, "image_id": "b", "category_id": 1, "bbox": [10, 12, 10, 28]}],
  "categories": [{"id": 1, "name": "person"}]})";
  folder.write("two_paths.json", R"({"images": [{"id": "b", "file_name": "visible/1.jpg",
  "thermal_file_name": "infrared/1.jpg"}], )" +
                                     rest);
  folder.write("bare.json", R"({"images": [{"id": "b", "file_name": "1.jpg"}], )" + rest);
  folder.write("thermal.json",
               R"({"images": [{"id": "b", "file_name": "infrared/1.jpg"}], )" + rest);
  folder.write("other.json", R"({"images": [{"id": "b", "file_name": "photos/1.jpg"}], )" + rest);
  for (const char* const list : {"two_paths", "bare.json", "bare+thermal"}) {
    const PairReport report = read(folder, {.layout = "coco", .list = list});
    EXPECT_EQ(problems(report), "") << list;
    ASSERT_EQ(report.index.size(), 1) << list;
    EXPECT_EQ(report.index[0].visible, "visible/1.jpg") << list;
    EXPECT_EQ(report.index[0].thermal, "infrared/1.jpg") << list;
  }
  EXPECT_THAT(problems(read(folder, {.layout = "coco", .list = "other"})),
              HasSubstr("other.json:1: image 'photos/1.jpg' has no thermal_file_name"));
  EXPECT_THAT(problems(read(folder, {.layout = "coco", .list = "annotations/some+thermal"})),
              HasSubstr("image id '0' is not in"));
}

TEST(Layouts, CocoOfMlpdNamesKaistFrames) {
  const TempFolder folder;
  test::layout_trees().at("kaist")(folder);
  folder.write("k.json", R"({"images": [{"id": 0, "im_name": "set00/V000/I00020", "height": 48,
  "width": 64}], "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [10, 12, 10, 28],
  "height": 28, "occlusion": 0, "ignore": 0}], "categories": [{"id": 1, "name": "person"}]})");
  const PairReport report = read(folder, {.layout = "coco", .list = "k"});
  EXPECT_EQ(problems(report), "");
  ASSERT_EQ(report.index.size(), 1);
  EXPECT_EQ(report.index[0].group, "set00/V000");
}

TEST(Layouts, LlvipFindsThePartnerOnEitherSide) {
  const TempFolder folder;
  test::layout_trees().at("llvip")(folder);
  folder.write("infrared/some/019999.jpg", encode_jpeg(test::gradient_image(48, 64)));
  EXPECT_THAT(problems(read(folder, {.layout = "llvip", .list = "some"})),
              HasSubstr("019999: the visible image is missing"));
  folder.write("clean.txt", "some/010000\nsome/010002.jpg\n");
  const PairReport report = read(folder, {.layout = "llvip", .list = "clean"});
  EXPECT_EQ(report.index.size(), 2);
  EXPECT_EQ(report.index[0].group, "01");
}

TEST(Layouts, NamesHaveRoles) {
  const TempFolder folder;
  test::layout_trees().at("m3fd")(folder);
  folder.write("Annotation/00001.xml", test::voc_xml(1, "Car"));
  const PairReport own = read(folder, {.layout = "m3fd", .list = "all"});
  EXPECT_EQ(problems(own), "");
  EXPECT_EQ(own.background, 1);
  EXPECT_EQ(own.positive, 2);
  EXPECT_EQ(own.empty, 1);
  PairSource source = {.layout = "m3fd", .list = "all"};
  source.skip_empty = true;
  EXPECT_EQ(read(folder, source).index.size(), 2);
  source.skip_empty = false;
  source.labels.positive = {"auto", "Car"};
  EXPECT_EQ(read(folder, source).positive, 3) << "a name that is written out wins over auto";
  source.labels = {{"People"}, {}, {}};
  EXPECT_THAT(problems(read(folder, source)),
              HasSubstr("00001.xml:1: unknown class 'Car', 1 box in 1 pair"));
}

TEST(Layouts, OriginIsTheLayoutsUnlessItIsSaid) {
  const TempFolder folder;
  test::layout_trees().at("llvip")(folder);
  const PairReport report = read(folder, {.layout = "llvip", .list = "some", .origin = 0});
  EXPECT_EQ(report.index[0].boxes.at(0).box, (Box{11, 13, 21, 41}));
}

}  // namespace
}  // namespace ktrain
