// Damaged plans: each is a plan or is refused with a Fault that names file, line and column.
#include <regex>

#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/mutate.h"
#include "train/plan_load.h"
#include "train/plan_text.h"

namespace ktrain {
namespace {

const std::string kSmall = R"(seed = 7
device = "cpu"
[data]
preset = "kaist"
size = [320, 256]
labels = { positive = ["person", "cyclist"], ignore = [] }
[optimizer]
lr = 5e-5   # a comment
multipliers = [{ prefix = "backbone", lr = 0.1 }, { prefix = "fc", decay = 0 }]
[schedule]
kind = "multistep"
milestones = [8, 11]
[loss]
roi_cls.weight = { at = [0, 3], value = [0.0, 0.01], unit = "epoch", shape = "cosine" }
)";

// "KT-CFG-003: p.cfg:12:3: ..."; a rule between keys (KT-CFG-008) names the key and, of those that
// were set, the place; a text over the limit of bytes (KT-CFG-007) the file alone.
bool names_its_place(const Fault& fault) {
  static const std::regex placed(R"(^KT-CFG-\d{3}: p\.cfg:[1-9]\d*:[1-9]\d*: )");
  static const std::regex rule(
      R"(^KT-CFG-008: [a-z0-9_.]+ \((p\.cfg:[1-9]\d*:[1-9]\d*|default)\): )");
  static const std::regex size(R"(^KT-CFG-007: p\.cfg: \d+ bytes)");
  const std::string what = fault.what();
  for (const std::regex* const form : {&placed, &rule, &size})
    if (std::regex_search(what, *form, std::regex_constants::match_continuous)) return true;
  return false;
}

void survive(const std::vector<std::string>& seeds, int count) {
  int accepted = 0, refused = 0;
  test::for_each_mutant(seeds,
                        {"[",
                         "]",
                         "{",
                         "}",
                         "\"\"\"",
                         "'''",
                         "\\u0000",
                         "=",
                         ".",
                         "1e999",
                         "nan",
                         "-1",
                         "0x",
                         "[data]\n",
                         "lr = 1\n",
                         "9223372036854775808",
                         "2024-01-01T00:00:00",
                         "\r",
                         "\xef\xbb\xbf",
                         "include = ['base.cfg']\n",
                         std::string("\0", 1)},
                        count, [&](const std::string& text) {
                          try {
                            const ResolvedPlan resolved = parse_plan(text, "p.cfg");
                            ++accepted;
                            const std::string echo = canonical_text(resolved.plan);
                            ASSERT_EQ(canonical_text(parse_plan(echo, "p.cfg").plan), echo) << text;
                          } catch (const Fault& fault) {
                            ++refused;
                            ASSERT_TRUE(names_its_place(fault)) << fault.what() << "\n" << text;
                            ASSERT_EQ(fault.exit(), Exit::kPlan) << fault.what();
                            ASSERT_LE(std::string_view(fault.what()).size(), 1000u) << fault.what();
                          }
                        });
  EXPECT_EQ(accepted + refused, count);
  EXPECT_GT(accepted, count / 100) << "mutants in comments and digits";
  EXPECT_GT(refused, count / 10);
}

TEST(PlanMutants, TenThousandOfAShortPlan) { survive({kSmall}, 10'000); }

// Every key there is, with its default.
TEST(PlanMutants, TenThousandOfTheWholePlan) { survive({canonical_text(Plan{}), kSmall}, 10'000); }

// --set is a parser of its own in front of the same one.
TEST(PlanMutants, TenThousandOverrides) {
  int accepted = 0, refused = 0;
  test::for_each_mutant(
      {"optimizer.lr=1e-4", "data.size=[320, 256]", "data.root=a b", "train.batch=8",
       "loss.roi_cls.weight={at = [0, 3], value = [0.0, 0.01]}", "data.labels.positive=['person']"},
      {"=", "[", "'", "\"", "\n", "nan", "{", "#", "-"}, 10'000, [&](const std::string& text) {
        try {
          (void)parse_plan("", "p.cfg", {text});
          ++accepted;
        } catch (const Fault& fault) {
          ++refused;
          const std::string what = fault.what();
          ASSERT_EQ(fault.exit(), fault.id() == "KT-CFG-010" ? Exit::kUsage : Exit::kPlan) << what;
          ASSERT_TRUE(what.find("command line") != std::string::npos ||
                      what.find("--set ") != std::string::npos)
              << what;
        }
      });
  EXPECT_EQ(accepted + refused, 10'000);
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace ktrain
