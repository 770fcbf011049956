#include "runtime/fault.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

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

// Every id in the sources, those of the catalogue itself apart.
std::set<std::string> raised_ids() {
  namespace fs = std::filesystem;
  const std::regex pattern("\"(KT-[A-Z]+-[0-9]{3})\"");
  std::set<std::string> ids;
  for (const char* folder : {"kernels", "runtime", "models", "data", "train"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(KT_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
      if (entry.path().parent_path().filename() == "messages") continue;
      std::ifstream file(entry.path());
      const std::string text(std::istreambuf_iterator<char>(file), {});
      for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
        ids.insert((*at)[1]);
    }
  return ids;
}

TEST(Fault, EveryIdThatIsRaisedIsExplained) {
  const std::set<std::string> ids = raised_ids();
  EXPECT_GT(ids.size(), 20u);
  for (const std::string& id : ids) EXPECT_NE(find_message(id), nullptr) << id;
}

}  // namespace
}  // namespace ktrain
