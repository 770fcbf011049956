#include "train/detect_command.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "data/image_io.h"
#include "tests/support/tiny_run.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<std::uint8_t> file_bytes(const std::string& path) {
  const std::string text = read_text(path);
  return {text.begin(), text.end()};
}

TEST(Detect, WritesPicturesOfBothModalitiesAndTheNumbersOfTheValidation) {
  TinyRun tiny;
  // Without a threshold every pair has boxes, whatever little has been learned.
  ASSERT_EQ(tiny.train({"eval.score_threshold=0"}), 0);
  DetectOptions options;
  options.run = tiny.run_folder();
  options.take = "last";
  options.limit = 0;
  options.score = 0;
  std::ostringstream out;
  ASSERT_EQ(run_detect(options, out), 0);
  EXPECT_THAT(out.str(), HasSubstr("0 missing, 0 unexpected"));
  EXPECT_THAT(out.str(), HasSubstr("pictures  3 in "));
  int pictures = 0;
  for (const auto& entry : fs::directory_iterator(tiny.run_folder() + "/detect"))
    if (entry.path().extension() == ".png") {
      const std::string name = entry.path().string();
      const auto bytes = file_bytes(name);
      const Image picture = decode_image({name, bytes});
      EXPECT_GT(picture.width, 2 * 640);  // two images of 640 and a gap
      ++pictures;
    }
  EXPECT_EQ(pictures, 3);
  // The same detector on the same pairs: as many boxes as the last validation wrote.
  const auto json = nlohmann::json::parse(read_text(tiny.run_folder() + "/detect/detections.json"));
  const std::string validation = tiny.read("val/epoch_03/detections.txt");
  ASSERT_GT(json.size(), 0u);
  std::istringstream lines(validation);
  std::string line;
  for (const auto& box : json) {
    ASSERT_TRUE(std::getline(lines, line));
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream numbers(line);
    double image = 0, value = 0;
    numbers >> image;
    for (int i = 0; i < 4; ++i) {
      numbers >> value;
      EXPECT_NEAR(box["bbox"][static_cast<std::size_t>(i)].get<double>(), value, 1e-3) << line;
    }
    numbers >> value;
    EXPECT_NEAR(box["score"].get<double>(), value, 1e-6) << line;
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(Detect, TakesAPairOfFiles) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"eval.score_threshold=0"}), 0);
  std::string visible;
  for (const auto& entry : fs::recursive_directory_iterator(tiny.data() + "/images"))
    if (entry.is_regular_file() && entry.path().string().find("/visible/") != std::string::npos)
      visible = entry.path().string();
  ASSERT_FALSE(visible.empty());
  std::string thermal = visible;
  thermal.replace(thermal.find("/visible/"), 9, "/lwir/");
  DetectOptions options;
  options.run = tiny.run_folder();
  options.visible = visible;
  std::ostringstream out;
  EXPECT_THROW(run_detect(options, out), Fault);  // half a pair
  options.thermal = thermal;
  options.out = tiny.run_folder() + "/one";
  ASSERT_EQ(run_detect(options, out), 0);
  EXPECT_THAT(out.str(), HasSubstr("pictures  1 in "));
  options.thermal = tiny.plan();  // no image
  EXPECT_THROW(run_detect(options, out), Fault);
  options.take = "epoch_9";
  EXPECT_THROW(run_detect(options, out), Fault);
}

}  // namespace
}  // namespace ktrain::test
