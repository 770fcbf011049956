// A monitor.jsonl whose every number is known: detection and MACL, which pull against each other in
// visible.layer1 and agree in fusion.
#pragma once

#include <cmath>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/probe.h"
#include "train/monitor/probe_json.h"

namespace ktrain::test {

inline constexpr double kConflict = -0.3, kAgreement = 0.2, kMaclWeight = 0.5;
inline constexpr int kFixtureProbes = 48, kFixturePerEpoch = 24;

// Probe `i` from 0: detection's norm 2, MACL's 1, cosines around the constants above by a number
// that alternates, so that its mean over an epoch is 0.
inline ProbeRecord fixture_probe(int i, const std::string& group = "visible.layer1") {
  const double wave = 0.05 * (i % 2 == 0 ? 1 : -1);
  ProbeRecord record;
  record.step = i + 1;
  record.epoch = 1 + i / kFixturePerEpoch;
  record.losses = {"det", "macl"};
  record.values = {0.5, 2.0};
  record.weights = {1.0, kMaclWeight};
  record.learning_rate = 1e-3;
  const auto add = [&](const std::string& name, double cosine) {
    record.groups.push_back({});
    record.groups.back().group = name;
    record.groups.back().elements = 10;
    record.groups.back().raw = gram_of(2, 1, cosine);
    record.groups.back().preconditioned = gram_of(2, 1, cosine);
  };
  add(group, kConflict + wave);
  add("thermal.layer1", wave);  // nothing can be said
  add("fusion", kAgreement + wave);
  record.seconds = 0.25;
  record.interval = 1;
  return record;
}

// `group` and `text` may be hostile.
inline void write_monitor_fixture(const std::string& run,
                                  const std::string& text = "det~macl below 0 in visible.layer1",
                                  const std::string& group = "visible.layer1") {
  using nlohmann::json;
  std::ofstream out(run + "/monitor.jsonl", std::ios::binary);
  for (int i = 0; i < kFixtureProbes; ++i) out << to_json(fixture_probe(i)) << '\n';
  const auto line = [&](json record, const char* kind, int step) {
    record["kind"] = kind;
    record["step"] = step;
    record["epoch"] = 1 + (step - 1) / kFixturePerEpoch;
    out << record.dump() << '\n';
  };
  for (const int step : {16, 32, 48}) {
    const json conflict = {{"value", -0.31}, {"lo", -0.4}, {"hi", -0.22}};
    const json unsure = {{"value", 0.03}, {"lo", -0.1}, {"hi", 0.16}};
    line({{"probes", 16},
          {"losses", {"det", "macl"}},
          {"groups",
           {{group, {{"xcos", {{"det~macl", conflict}}}}},
            {"thermal.layer1", {{"xcos", {{"det~macl", unsure}}}}},
            {"fusion", {{"xcos", {{"det~macl", {{"below_noise", true}}}}}}}}}},
         "window", step);
    line({{"loss", "macl"},
          {"delta_det", {0.001, 0.003}},
          {"mean", 0.002},
          {"lo", 0.001},
          {"hi", 0.003}},
         "loo", step);
    line({{"reference", "#12345678"},
          {"layers",
           {{"visible.layer1.0.conv1",
             {{"z95", .1}, {"r95", .1}, {"kl50", .01}, {"kl95", .02 * step}}},
            {"visible.layer1.1.conv1", {{"z95", .1}, {"r95", .1}, {"kl50", .01}, {"kl95", .01}}}}},
          {"groups",
           {{"visible.layer1",
             {{"cka", 1 - .002 * step}, {"proc", .1}, {"erank", 40.}, {"dw", .05}}}}}},
         "drift", step);
    line({{"align", 0.5}, {"unif", -1.5}, {"gap", 0.7}, {"auc", 0.9}}, "embedding", step);
  }
  line({{"level", "alarm"},
        {"group", group},
        {"loss", "macl"},
        {"mean", -0.3},
        {"lo", -0.36},
        {"hi", -0.24},
        {"n", 24},
        {"r1", -0.9},
        {"tax", 0.075},
        {"lambda", kMaclWeight},
        {"onset_step", 3},
        {"label", ""},
        {"text", text}},
       "alarm", 24);
  line({{"configured", {{"macl", kMaclWeight}, {"roi_cls", 1.0}}},
        {"applied", {{"macl", 0.0}, {"roi_cls", 1.0}}}},
       "audit", 48);
}

}  // namespace ktrain::test
