#include "runtime/fault.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrain {
namespace {

TEST(Fault, CatalogueIsSortedAndComplete) {
  const auto all = messages();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](auto& a, auto& b) { return a.id < b.id; }));
  for (const Message& message : all) {
    EXPECT_FALSE(message.title.empty()) << message.id;
    EXPECT_GT(message.explanation.size(), 40u) << message.id;
    EXPECT_EQ(find_message(message.id), &message);
  }
  EXPECT_EQ(find_message("KT-NONE-000"), nullptr);
}

TEST(Fault, CarriesIdAndExit) {
  try {
    throw_fault("KT-CFG-001", "plan_a.cfg:{}:3: unknown key '{}'", 12, "lamda");
  } catch (const Fault& fault) {
    EXPECT_STREQ(fault.what(), "KT-CFG-001: plan_a.cfg:12:3: unknown key 'lamda'");
    EXPECT_EQ(fault.exit(), Exit::kPlan);
  }
}

TEST(Fault, PrintableEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(printable("caf\xc3\xa9 \xff"), "caf\xc3\xa9 \\xff");
  EXPECT_EQ(printable(std::string(200, 'x'), 10), "xxxxxxxxxx...");
}

}  // namespace
}  // namespace ktrain
