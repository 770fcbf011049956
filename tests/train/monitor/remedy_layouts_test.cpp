// Every remedy on every axis and layout of weights: the gradient that was taken has the length of
// the combination that the remedy's line says, by the step's own Grams.
#include <cmath>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/monitored_steps.h"
#include "train/monitor/remedy.h"

namespace ktrain::test {
namespace {

struct Layout {
  std::string profile, shared;
  std::size_t losses;
};

TEST(RemedyLayouts, WhatTrainsIsWhatTheLineSays) {
  const TinyRun tiny;
  int changed = 0, steps_seen = 0;
  for (const Layout& layout : {Layout{"watch", "false", 3}, Layout{"deep", "false", 6},
                               Layout{"surgery", "false", 2}, Layout{"deep", "true", 6}})
    for (const std::string_view name : remedy_names()) {
      // pc_asym adds its running mean, which no Gram holds.
      if (name == "none" || name == "pc_asym") continue;
      const Steps steps =
          train(tiny,
                with(kEveryStep,
                     {"monitor.profile=" + layout.profile, "model.shared=" + layout.shared,
                      "loss.macl.weight=0.5", "loss.macl.rows=4", "loss.macl.hidden=16",
                      "loss.macl.channels=8", "model.roi.positive_share=0.5",
                      "loss.planted.kind=random_sign", "loss.planted.weight=2", "remedy.mode=live",
                      layout.shared == "true"
                          ? "remedy.groups=[\"shared.layer3\", \"fusion\"]"
                          : "remedy.groups=[\"visible.layer2\", \"thermal\", \"fusion\"]",
                      fmt::format("remedy.kind={}", name)}),
                3);
      const auto lines = steps.of_kind("remedy");
      ASSERT_EQ(lines.size(), 3u) << name;
      for (std::size_t s = 0; s < lines.size(); ++s) {
        const auto json = nlohmann::json::parse(lines[s]);
        const ProbeRecord& probe = steps.probes.at(s);
        ASSERT_EQ(probe.losses.size(), layout.losses);
        double square = 0;
        for (const GroupGram& group : probe.groups) {
          const auto& answer = json["groups"].at(group.group);
          if (group.share) continue;  // counted in the group that it is part of
          const auto e = answer["weights"].get<std::vector<double>>();
          changed += answer["changed"].get<bool>() ? 1 : 0;
          for (std::size_t i = 0; i < e.size(); ++i)
            for (std::size_t j = 0; j < e.size(); ++j) square += e[i] * e[j] * group.raw(i, j);
        }
        ++steps_seen;
        // Grams of floats: 1e-5 of the summands, of which some cancel.
        EXPECT_NEAR(probe.gradient_norm, std::sqrt(square), 3e-4 * std::sqrt(square))
            << name << " " << layout.profile << " shared " << layout.shared << " step " << s + 1;
      }
    }
  EXPECT_EQ(steps_seen, 4 * 12 * 3);
  EXPECT_GT(changed, 600) << "groups in which the remedy had something to change";
}

}  // namespace
}  // namespace ktrain::test
