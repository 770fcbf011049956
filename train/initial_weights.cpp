#include "train/initial_weights.h"

#include <filesystem>

#include "runtime/fault.h"
#include "train/run_state.h"

namespace ktrain {
namespace {

std::string loaded_line(const LoadedCheckpoint& from, const LoadReport& report) {
  const std::string hash = from.verified() ? fmt::format("#{:.8}", from.payload_hash())
                                           : std::string("not verified: no integrity record");
  return fmt::format("{} ({}): {}", from.path(), hash, report.summary());
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
  LoadOptions options;
  options.allow_missing = init.allow_missing;
  options.allow_unexpected = init.allow_unexpected;
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
