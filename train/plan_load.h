// Reading a plan: TOML, strictly. An unknown key, a wrong type, a value out of range, a misspelt
// choice is a Fault with file:line:column, found, wanted and the nearest name. The environment is
// never looked at. `include = ["base/x.cfg"]` reads bases first, in order; what comes later wins,
// key by key. Bases lie in the plan's folder, below it, or in a folder beside it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "train/plan.h"

namespace ktrain {

inline constexpr std::string_view kCommandLine = "command line";

struct ResolvedPlan {
  Plan plan;
  std::string file;  // as the user named it
  std::string name;  // the file's name without .cfg
  // "optimizer.lr" -> "configs/plan_a.cfg:12:3" or "command line"; a default has no entry.
  std::map<std::string, std::string, std::less<>> origin;

  [[nodiscard]] std::string origin_of(std::string_view key) const;  // "default" when not set
};

// `overrides` are "key=value" with the value as TOML; text needs no quotes. They win over the file.
[[nodiscard]] ResolvedPlan load_plan(const std::string& file,
                                     const std::vector<std::string>& overrides = {});

// The same from memory; an include is refused, since there is no folder to look in.
[[nodiscard]] ResolvedPlan parse_plan(std::string_view text, const std::string& file,
                                      const std::vector<std::string>& overrides = {});

// The folder-relative path of init.plan as a path from the working folder; "" when there is none.
[[nodiscard]] std::string prerequisite_file(const ResolvedPlan& plan);

}  // namespace ktrain
