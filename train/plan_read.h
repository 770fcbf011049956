// One value of a plan: from TOML into its place, with every check that needs no other key.
// Internal to train/plan_*.cpp: the only header that shows toml++.
#pragma once

#include <string>

#include <toml++/toml.h>

#include "train/plan_keys.h"

namespace ktrain {

// "plan_a.cfg:12:3"; for --set "command line".
[[nodiscard]] std::string place_of(const toml::source_region& where, const std::string& file);

// Throws Fault KT-CFG-002 (type), -003 (range) or -004 (choice) that names place, found and wanted.
void read_value(const toml::node& node, const PlanKey& key, const std::string& file);

// A value as the user wrote it, cut and escaped: "text 'abc'", "integer 7", "table".
[[nodiscard]] std::string describe_found(const toml::node& node);

}  // namespace ktrain
