// The design of an experiment: what is run, what is asked and by which rule it is answered, all of
// it fixed before the first run. A TOML file, read as strictly as a plan; docs/experiments.md
// describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ktrain::experiment {

using Strings = std::vector<std::string>;

// One state of the data, such as "q3": the same scenes with other visible images.
struct Quality {
  std::string name, text;
  Strings set;  // key=value on the arms' plan
};

enum class Expect : std::uint8_t { kNothing, kAlarm, kNoAlarm };

// One way to train: the arms' plan with some keys changed.
struct Arm {
  std::string name, text;            // text: what it isolates
  Strings set;                       // key=value
  Strings qualities;                 // under which it is run
  std::int64_t seeds = 0;            // the first so many of the design's
  std::string loss;                  // whose gradients are compared with detection's; "": none
  std::optional<double> dose;        // weight of the loss, for arms of the dose-response
  Expect expect = Expect::kNothing;  // of the monitor, for controls with a known answer
};

// Roles of the hypotheses' sentences; all are names of arms or qualities.
struct Roles {
  std::string poor, good;           // qualities
  std::string baseline, treatment;  // arms
  std::string remedy;               // an arm, "" when the design has none
  std::string zero_line;            // arm with the loss measured and not applied, "" for none
};

struct Rule {
  double alpha = 0.05, power = 0.80;
  double delta = 0.02;     // a cosine within it counts as none
  double tax = 0.05;       // share of detection's progress
  double ap = 0.005;       // a loss of AP that matters; also the margin of equivalence
  double recovered = 0.5;  // share of the loss that the remedy must win back
  std::int64_t look = 4;   // seeds after which the spread of AP is estimated without arm labels
  std::int64_t most_seeds = 20;
};

struct Design {
  std::string file, name, title, text;
  std::string warm, arm;  // plans, as paths from the working folder
  std::vector<std::int64_t> seeds;
  std::int64_t from_step = 0;  // probes and windows before it are warming up
  Strings groups;              // layer groups of the simultaneous intervals
  Roles roles;
  Rule rule;
  std::vector<Quality> qualities;
  std::vector<Arm> arms;
  Strings deviations;  // where it falls short of the full design, in words

  [[nodiscard]] const Quality& quality(const std::string& wanted) const;
  [[nodiscard]] const Arm& arm_named(const std::string& wanted) const;
};

// Throws Fault KT-CFG-*, with file:line:column.
[[nodiscard]] Design load_design(const std::string& file);
// The same of a text; `file` is its name in messages and the folder of the plans.
[[nodiscard]] Design parse_design(const std::string& text, const std::string& file);

}  // namespace ktrain::experiment
