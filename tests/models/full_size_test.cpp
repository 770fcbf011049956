#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "models/detector.h"

namespace ktrain {
namespace {

// Two R50-FPN streams as configured for KAIST, made without touching their memory.
struct FullSize {
  FullSize() { context->queue.planning = true; }
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  TwoStreamDetector detector = make();

  TwoStreamDetector make() {
    context->queue.planning = true;
    return {context, DetectorOptions{}, 1, parameters};
  }
};

TEST(FullSize, PartsHaveTheKnownNumberOfParameters) {
  const FullSize full;
  EXPECT_EQ(full.parameters.count("visible.backbone."), 23508032);
  EXPECT_EQ(full.parameters.count("thermal.backbone."), 23508032);
  EXPECT_EQ(full.parameters.count("visible.neck."), 3344384);
  EXPECT_EQ(full.parameters.count("rpn_head."), 593935);
  EXPECT_EQ(full.parameters.count("roi_head."), 13901830);
  EXPECT_EQ(
      full.parameters.count("visible.backbone.") - full.parameters.count("visible.backbone.", true),
      225344)
      << "stem and first stage are frozen";
}

TEST(FullSize, NamesAndShapesAreTheReferences) {
  const FullSize full;
  std::ifstream file(KT_SOURCE_DIR "/tests/reference/detector_r50_parameters.txt");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, shape;
    words >> name >> shape;
    const Parameter* const parameter = full.parameters.find(name);
    ASSERT_NE(parameter, nullptr) << name;
    EXPECT_EQ(parameter->value.shape().text(), shape) << name;
    ++lines;
  }
  EXPECT_EQ(lines, full.parameters.all().size());
}

}  // namespace
}  // namespace ktrain
