#include "data/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/data.h"
#include "tests/support/layout_trees.h"

namespace ktrain {
namespace {

using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string text_of(const std::vector<DataProblem>& problems) {
  std::string text;
  for (const DataProblem& problem : problems) text += problem.id + " " + problem.text + "\n";
  return text;
}

ListCheck check(const TempFolder& folder, const std::string& list, PairSource source = {}) {
  source.list = list;
  return check_list(DataFolder(folder.path()), source, 2);
}

std::string frame(int i) { return fmt::format("I{:05}", i); }

// Frame i of set00/V000, with two people, or of another video.
void write_frame(const TempFolder& folder, int i, const std::string& video = "set00/V000") {
  test::write_images(folder, i, "images/" + video + "/visible/" + frame(i) + ".png",
                     "images/" + video + "/lwir/" + frame(i) + ".png");
  folder.write("annotations/" + video + "/" + frame(i) + ".txt",
               "% bbGt version=3\nperson 1 2 10 30 0 0 0 0 0 0 0\nperson 20 2 10 40 1 0 0 0 0 0 0\n"
               "people 40 1 20 20 0 0 0 0 0 0 0\n");
}

void write_list(const TempFolder& folder, const std::string& name,
                std::initializer_list<int> frames, const std::string& video = "set00/V000") {
  std::string text;
  for (const int i : frames) text += video + "/" + frame(i) + "\n";
  folder.write("imageSets/" + name + ".txt", text);
}

TEST(Check, CountsWhatIsThere) {
  const TempFolder folder;
  for (int i = 0; i < 3; ++i) write_frame(folder, i);
  folder.write("annotations/set00/V000/I00002.txt", "% bbGt version=3\n");
  write_list(folder, "some", {0, 1, 2});
  const ListCheck found = check(folder, "some");
  EXPECT_EQ(text_of(found.report.problems), "");
  EXPECT_EQ(text_of(found.warnings), "");
  const auto counts = [](const std::vector<Bin>& bins) {
    std::vector<std::int64_t> out;
    for (const Bin& bin : bins) out.push_back(bin.count);
    return out;
  };
  EXPECT_THAT(counts(found.heights), ElementsAre(0, 4, 0, 0, 0)) << "30 and 40 pixels";
  EXPECT_THAT(counts(found.per_pair), ElementsAre(1, 0, 2, 0, 0, 0, 0));
  EXPECT_THAT(counts(found.occlusion), ElementsAre(2, 2, 0));
  EXPECT_EQ(found.sizes.at(0).name, "64x48");
  EXPECT_EQ(found.groups.at(0).name, "set00");
  EXPECT_THAT(found.empty, ElementsAre("set00/V000/I00002"));
  EXPECT_EQ(found.visible.pixels, 3 * 64 * 48);
  EXPECT_LT(found.thermal.mean_chroma(), kGrey);
  EXPECT_GT(found.visible.mean_chroma(), kColoured);
  EXPECT_EQ(found.clean_lines().size(), 3u);
}

TEST(Check, PixelSumsAreThoseOfThePixels) {
  const PixelSums plain = pixel_sums(test::plain_image(4, 5, 51, 102, 204));
  EXPECT_EQ(plain.pixels, 20);
  EXPECT_DOUBLE_EQ(plain.mean(0), 0.2);
  EXPECT_DOUBLE_EQ(plain.mean(2), 0.8);
  EXPECT_NEAR(plain.deviation(1), 0.0, 1e-7) << "the root of rounding in the difference of squares";
  EXPECT_DOUBLE_EQ(plain.mean_chroma(), 0.6);
  PixelSums two = plain;
  two.add(pixel_sums(test::plain_image(4, 5, 51, 0, 0)));
  EXPECT_DOUBLE_EQ(two.mean(1), 0.2);
  EXPECT_DOUBLE_EQ(two.deviation(1), 0.2);
}

TEST(Check, FindsSwappedAndCopiedImages) {
  const TempFolder folder;
  for (int i = 0; i < 5; ++i) write_frame(folder, i);
  const auto image = [&](const char* modality, int i) {
    return folder.path() / "images/set00/V000" / modality / (frame(i) + ".png");
  };
  std::filesystem::rename(image("visible", 1), folder.path() / "kept");
  std::filesystem::rename(image("lwir", 1), image("visible", 1));
  std::filesystem::rename(folder.path() / "kept", image("lwir", 1));
  const auto over = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(image("visible", 2), image("lwir", 2), over);
  std::filesystem::copy_file(image("visible", 4), image("visible", 3), over);
  write_list(folder, "some", {0, 1, 2, 3, 4});
  const ListCheck found = check(folder, "some");
  const std::string problems = text_of(found.report.problems);
  EXPECT_THAT(problems, HasSubstr("KT-DATA-034 set00/V000/I00001: the thermal image is coloured"));
  EXPECT_THAT(problems, HasSubstr("KT-DATA-034 set00/V000/I00002: one picture as both images"));
  EXPECT_EQ(found.report.problems.size(), 2u) << problems;
  EXPECT_THAT(text_of(found.warnings),
              HasSubstr("KT-DATA-035 set00/V000/I00004: its visible image is also one of "
                        "set00/V000/I00003"));
  EXPECT_THAT(found.clean_lines(),
              ElementsAre("set00/V000/I00000", "set00/V000/I00003", "set00/V000/I00004"));
}

TEST(Check, ABlankImageIsNamed) {
  const TempFolder folder;
  for (int i = 0; i < 2; ++i) write_frame(folder, i);
  folder.write("images/set00/V000/lwir/I00001.png", encode_png(test::plain_image(48, 64, 7, 7, 7)));
  write_list(folder, "some", {0, 1});
  EXPECT_EQ(text_of(check(folder, "some").warnings),
            "KT-DATA-038 set00/V000/I00001: every pixel is the same "
            "(images/set00/V000/lwir/I00001.png)\n");
}

// A PNG whose chunks are whole and whose checksums agree, with less than its rows inside: only the
// decoder can tell.
TEST(Check, DecodesEveryImage) {
  const TempFolder folder;
  for (int i = 0; i < 2; ++i) write_frame(folder, i);
  test::Bytes png = test::grey_png(48, 64);
  png[8 + 8 + 7] = 96;  // the header's height
  test::fix_png_checksums(png);
  ASSERT_NO_THROW(check_image_complete({"a.png", png}));
  folder.write("images/set00/V000/lwir/I00001.png", png);
  test::Bytes visible = encode_png(test::gradient_image(96, 64));
  folder.write("images/set00/V000/visible/I00001.png", visible);
  write_list(folder, "some", {0, 1});
  const ListCheck found = check(folder, "some");
  EXPECT_THAT(text_of(found.report.problems), HasSubstr("KT-DATA-002"));
  EXPECT_THAT(text_of(found.report.problems), HasSubstr("lwir/I00001.png"));
  EXPECT_THAT(found.clean_lines(), ElementsAre("set00/V000/I00000"));
}

TEST(Check, WarnsOfDoubledBoxesUnusedNamesAndKnownLists) {
  const TempFolder folder;
  for (int i = 0; i < 2; ++i) write_frame(folder, i);
  write_frame(folder, 7, "set06/V000");
  folder.write(
      "annotations/set00/V000/I00001.txt",
      "% bbGt version=3\nperson 1 2 10 30 0 0 0 0 0 0 0\nperson 1 2 10 30 0 0 0 0 0 0 0\n");
  folder.write("imageSets/train-all-02.txt",
               "set00/V000/I00000\nset00/V000/I00001\nset06/V000/I00007\n");
  PairSource source;
  source.labels.ignore = {"auto", "rider"};
  const ListCheck found = check(folder, "train-all-02", source);
  EXPECT_EQ(text_of(found.report.problems), "");
  const std::string warnings = text_of(found.warnings);
  EXPECT_THAT(warnings, HasSubstr("KT-DATA-035 set00/V000/I00001: 1 box stands twice"));
  EXPECT_THAT(warnings, HasSubstr("KT-DATA-037 list 'train-all-02': no box of class 'rider'"));
  EXPECT_THAT(warnings,
              HasSubstr("names 3 pairs; the published kaist list of this name has 25086"));
  EXPECT_THAT(warnings, HasSubstr("names 1 pairs of KAIST's official test sets 06 to 11, the first "
                                  "is set06/V000/I00007"));
}

TEST(Check, ListsThatShareImagesOrRecordings) {
  const TempFolder folder;
  for (int i = 0; i < 6; ++i) write_frame(folder, i);
  write_frame(folder, 9, "set01/V000");
  const auto over = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(folder.path() / "images/set00/V000/lwir/I00000.png",
                             folder.path() / "images/set01/V000/lwir/I00009.png", over);
  write_list(folder, "train", {0, 1, 2});
  write_list(folder, "val", {2, 4, 5});
  write_list(folder, "other", {9}, "set01/V000");
  const ListCheck train = check(folder, "train"), val = check(folder, "val"),
                  other = check(folder, "other");
  const ListOverlap overlap = compare_lists(train, val);
  EXPECT_EQ(text_of(overlap.problems),
            "KT-DATA-032 set00/V000/I00002: in list 'train' and in list 'val'\n");
  EXPECT_EQ(text_of(overlap.warnings),
            "KT-DATA-033 recording set00/V000: 3 pairs in list 'train', 3 in list 'val'; nearest "
            "frames 1 apart (set00/V000/I00001, set00/V000/I00002)\n");
  const ListOverlap copied = compare_lists(train, other);
  EXPECT_THAT(text_of(copied.problems),
              HasSubstr("set01/V000/I00009 in list 'other': its thermal image is that of "
                        "set00/V000/I00000 in list 'train'"));
  EXPECT_THAT(copied.warnings, IsEmpty());
}

TEST(Check, UnknownClassesAreCounted) {
  const TempFolder folder;
  for (int i = 0; i < 3; ++i) write_frame(folder, i);
  for (const int i : {1, 2})
    folder.write(
        "annotations/set00/V000/" + frame(i) + ".txt",
        "% bbGt version=3\nPerson 1 2 10 30 0 0 0 0 0 0 0\nPerson 3 2 9 30 0 0 0 0 0 0 0\n");
  write_list(folder, "some", {0, 1, 2});
  const ListCheck found = check(folder, "some");
  ASSERT_EQ(found.report.problems.size(), 1u);
  EXPECT_THAT(found.report.problems[0].text,
              HasSubstr("I00001.txt:2: unknown class 'Person', 4 boxes in 2 pairs"));
  EXPECT_THAT(found.clean_lines(), ElementsAre("set00/V000/I00000"));
}

}  // namespace
}  // namespace ktrain
