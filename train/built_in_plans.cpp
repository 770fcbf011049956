#include "train/built_in_plans.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/fault.h"
#include "train/metrics/text_file.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

const BuiltInPlan* find_built_in(std::string_view name) {
  for (const BuiltInPlan& plan : built_in_plans())
    if (plan.name == name) return &plan;
  return nullptr;
}

void write_built_in_plans(const std::string& folder) {
  std::error_code error;
  for (const BuiltInPlan& plan : built_in_plans()) {
    const fs::path path = fs::path(folder) / plan.name;
    if (fs::exists(fs::symlink_status(path, error)) && contents(path) != plan.text)
      throw_fault("KT-IO-013",
                  "{}: is there with other contents; nothing was written; name another folder",
                  path.string());
  }
  for (const BuiltInPlan& plan : built_in_plans()) {
    const fs::path path = fs::path(folder) / plan.name;
    fs::create_directories(path.parent_path(), error);
    if (error)
      throw_fault("KT-IO-001", "{}: {}; name a folder that can be written",
                  path.parent_path().string(), error.message());
    metrics::write_text(path, plan.text);
  }
}

std::string plan_file(const std::string& plan, std::ostream& out) {
  std::error_code error;
  if (fs::exists(plan, error) || !find_built_in(plan)) return plan;
  if (fs::exists("configs/" + plan, error)) return "configs/" + plan;
  if (fs::exists("configs", error)) return plan;
  write_built_in_plans("configs");
  out << fmt::format("plan      {} is not here; the built-in plans are now in configs/\n", plan);
  return "configs/" + plan;
}

}  // namespace ktrain
