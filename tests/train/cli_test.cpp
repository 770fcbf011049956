#include "train/cli.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/data.h"
#include "train/explain.h"

namespace ktrain {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome ktrain_command(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const int code = run(arguments, out, err);
  return {code, out.str(), err.str()};
}

TEST(Cli, HelpListsTheCommands) {
  const Outcome help = ktrain_command({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("eval"));
  EXPECT_THAT(ktrain_command({"eval", "--help"}).out, HasSubstr("--annotations"));
}

TEST(Cli, AMisspeltCommandNamesTheNearest) {
  const Outcome outcome = ktrain_command({"evla", "--json"});
  EXPECT_EQ(outcome.code, 64);
  EXPECT_THAT(outcome.err, HasSubstr("KT-CLI-001: unknown command 'evla'; did you mean 'eval'?"));
  EXPECT_THAT(outcome.err, EndsWith("ktrain: exit 64 USAGE\n"));
}

TEST(Cli, BadOptionsAreUsageErrors) {
  EXPECT_EQ(ktrain_command({}).code, 64);
  EXPECT_EQ(ktrain_command({"eval"}).code, 64);
  EXPECT_EQ(ktrain_command({"eval", "--protocol", "imagenet"}).code, 64);
  EXPECT_THAT(ktrain_command({"eval", "--anotations", "x"}).err, HasSubstr("KT-CLI-001"));
}

TEST(Cli, AMissingFileIsNamedWithItsExitCode) {
  const Outcome outcome =
      ktrain_command({"eval", "--annotations", "no/such.json", "--results", "no/such.txt"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("no/such.json"));
  EXPECT_TRUE(outcome.out.empty());
}

TEST(Cli, CheckFindsAMissingPartnerAndSaysSoWithItsExitCode) {
  const test::TempFolder folder;
  const auto jpeg = encode_jpeg(test::gradient_image(32, 32));
  folder.write("visible/train/000001.jpg", jpeg);
  folder.write("infrared/train/000001.jpg", test::grey_jpeg(32, 32));
  folder.write("Annotations/000001.xml",
               "<annotation><object><name>person</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
               "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>");
  const std::vector<std::string> command = {
      "check", folder.path().string(), "--layout", "llvip", "--list", "train"};
  const Outcome good = ktrain_command(command);
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_THAT(good.out, HasSubstr("problems  none"));
  folder.write("visible/train/000002.jpg", jpeg);
  const Outcome bad = ktrain_command(command);
  EXPECT_EQ(bad.code, 65);
  EXPECT_THAT(bad.out, HasSubstr("KT-DATA-011  000002: the thermal image is missing"));
  EXPECT_THAT(bad.out, HasSubstr("KT-DATA-011  000002: the annotation is missing"));
  EXPECT_EQ(ktrain_command({"check", "/no/such/folder", "--list", "train"}).code, 66);
}

TEST(Explain, EveryMessageAndEveryExitCode) {
  for (const Message& message : messages()) {
    EXPECT_THAT(ktrain_command({"explain", std::string(message.id)}).out,
                HasSubstr(std::string(message.title)));
    EXPECT_NE(exit_name(message.exit), "UNKNOWN") << message.id;
  }
  EXPECT_THAT(explain("exit"), HasSubstr("75  PREEMPTED"));
  EXPECT_THAT(explain("optimizer.lr"), HasSubstr("learning rate"));
  EXPECT_EQ(ktrain_command({"explain", "no such thing"}).code, 64);
  EXPECT_THAT(ktrain_command({"explain", "plan", "--markdown"}).out, HasSubstr("# Plan reference"));
  EXPECT_EQ(ktrain_command({"explain", "exit", "--markdown"}).code, 64);
}

}  // namespace
}  // namespace ktrain
