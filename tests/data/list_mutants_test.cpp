// Damaged list files of every layout: pairs and problems, or a Fault.
#include <gtest/gtest.h>

#include "data/pair_index.h"
#include "tests/support/data.h"
#include "tests/support/layout_trees.h"
#include "tests/support/mutate.h"

namespace ktrain {
namespace {

struct ListSeed {
  std::string layout, file;
  std::vector<std::string> seeds;
};

void survive(const ListSeed& given, int count) {
  const test::TempFolder folder;
  test::layout_trees().at(given.layout)(folder);
  const DataFolder files(folder.path());
  int read = 0, refused = 0, found = 0;
  test::for_each_mutant(given.seeds,
                        {"/", "..", "\\", "\n", "\r\n", "_", "visible", "lwir", ":",
                         std::string("\0", 1), "//", "./"},
                        count, [&](const std::string& text) {
                          folder.write(given.file, text);
                          try {
                            const PairReport report =
                                read_pairs(files, {.layout = given.layout, .list = "mutant"});
                            ++read;
                            found += report.index.size() > 0;
                            EXPECT_LE(report.index.size(), report.listed);
                          } catch (const Fault&) {
                            ++refused;
                          }
                        });
  EXPECT_EQ(read + refused, count) << given.layout;
  EXPECT_GT(found, count / 50) << given.layout << ": some pairs are still found";
  EXPECT_GT(refused, count / 50) << given.layout;
}

TEST(ListMutants, OfLayoutsWithLists) {
  const std::string kaist = "set00/V000/I00000\nset00/V000/I00020\n";
  survive({"kaist", "imageSets/mutant.txt", {kaist}}, 4'000);
  survive({"kaist-paired", "imageSets/mutant.txt", {kaist, "set00_V000_I00020\n"}}, 1'000);
  survive({"voc",
           "ImageSets/mutant.txt",
           {"set00_V000_visible_I00000\nset00_V000_lwir_I00000\nset00_V000_visible_I00001\n"}},
          2'000);
  survive({"llvip", "mutant.txt", {"some/010000\nsome/010001.jpg\n"}}, 1'000);
  survive({"flir", "mutant.txt", {"FLIR_00000_PreviewData\nFLIR_00001\n"}}, 1'000);
  survive({"m3fd", "mutant.txt", {"00000\n00001.png\n"}}, 1'000);
}

}  // namespace
}  // namespace ktrain
