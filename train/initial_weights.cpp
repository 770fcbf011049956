#include "train/initial_weights.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "runtime/fault.h"
#include "train/run_state.h"

namespace ktrain {
namespace {

constexpr std::string_view kAuxiliary = "aux.";

std::int64_t count_auxiliary(const std::vector<std::string>& names) {
  return std::count_if(names.begin(), names.end(),
                       [](const std::string& name) { return name.starts_with(kAuxiliary); });
}

std::string loaded_line(const LoadedCheckpoint& from, const LoadReport& report) {
  const std::string hash = from.verified() ? fmt::format("#{:.8}", from.payload_hash())
                                           : std::string("not verified: no integrity record");
  std::string line = fmt::format("{} ({}): {}", from.path(), hash, report.summary());
  if (const auto count = count_auxiliary(report.missing))
    line +=
        fmt::format("; {} of the missing are of auxiliary losses and start from the seed", count);
  if (const auto count = count_auxiliary(report.unexpected))
    line +=
        fmt::format("; {} of the unexpected are of auxiliary losses that this plan has not", count);
  return line;
}

// What the plan says, and what belongs to an auxiliary loss: the file's plan may have had others.
LoadOptions load_options(const InitPlan& init, const AuxiliaryLosses& auxiliary) {
  LoadOptions options;
  options.allow_missing = init.allow_missing;
  options.allow_unexpected = init.allow_unexpected;
  for (const std::string& name : auxiliary.names())
    options.allow_missing.push_back(fmt::format("{}{}.", kAuxiliary, name));
  options.allow_unexpected.emplace_back(kAuxiliary);
  return options;
}

}  // namespace

std::string run_name(const ResolvedPlan& resolved) {
  const std::filesystem::path path = std::filesystem::path(resolved.file).lexically_normal();
  std::filesystem::path below;
  bool inside = false;
  for (const std::filesystem::path& part : path.parent_path()) {
    if (inside) below /= part;
    inside = inside || part == "configs";
  }
  return (below / resolved.name).string();
}

std::string run_folder_of(const ResolvedPlan& resolved, const std::string& runs) {
  const std::string& dir = resolved.plan.output.dir;
  return dir.empty() ? runs + "/" + run_name(resolved) : dir;
}

std::string load_initial_weights(FileSystem& files, const ResolvedPlan& resolved,
                                 const ResolvedPlan* prerequisite, const std::string& runs,
                                 TrainingStep& training, const Notice& notice) {
  const InitPlan& init = resolved.plan.init;
  const LoadOptions options = load_options(init, training.auxiliary());
  if (!init.checkpoint.empty()) {
    const LoadedCheckpoint from = read_weights_file(files, init.checkpoint);
    return loaded_line(from, load_weights(from, training.parameters(), options));
  }
  if (prerequisite == nullptr) return fmt::format("random numbers of seed {}", resolved.plan.seed);
  const std::string folder = run_folder_of(*prerequisite, runs) + "/weights";
  const auto from = take_checkpoint(files, folder, init.take, notice);
  if (!from)
    throw_fault("KT-CKPT-005", "{}: has no checkpoint '{}', which init.take ({}) asks for", folder,
                init.take, resolved.origin_of("init.take"));
  check_made_by(*from, prerequisite->plan);
  return loaded_line(*from, load_weights(*from, training.parameters(), options));
}

}  // namespace ktrain
