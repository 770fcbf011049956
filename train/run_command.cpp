#include "train/run_command.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <sstream>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "runtime/device.h"
#include "runtime/fault.h"
#include "train/built_in_plans.h"
#include "train/checkpoint.h"
#include "train/data_set.h"
#include "train/fast_check.h"
#include "train/gpu_support.h"
#include "train/initial_weights.h"
#include "train/metrics/text_file.h"
#include "train/plan_keys.h"
#include "train/plan_scan.h"
#include "train/recovery/recovery_file.h"
#include "train/run_setup.h"
#include "train/trainer.h"

namespace ktrain {
namespace {

constexpr std::size_t kMostPrerequisites = 16;

// Keys of the command line that a prerequisite takes over: the seed, and those on which results do
// not depend, but for the folder.
std::vector<std::string> inherited(const std::vector<std::string>& overrides) {
  Plan plan;
  const auto keys = plan_keys(plan);
  std::vector<std::string> out;
  for (const std::string& text : overrides) {
    const std::string name = text.substr(0, text.find('='));
    const auto key =
        std::find_if(keys.begin(), keys.end(), [&](const PlanKey& k) { return k.name == name; });
    if (key == keys.end()) continue;
    if (name == "seed" || name == "device" ||
        (key->may_change && name != "output.dir" && name != "data.root"))
      out.push_back(text);
  }
  return out;
}

void refuse_recovery(const std::string& file) {
  std::error_code error;
  if (std::filesystem::is_regular_file(file, error) &&
      std::filesystem::file_size(file, error) <= kMostPlanBytes &&
      is_recovery_text(metrics::read_text(file)))
    throw_fault("KT-REC-003", "{}: holds a tree of plans, not a plan; wanted: ktrain recover {}",
                printable(file, 200), printable(file, 200));
}

// The plan and what must run before it, the plan last.
std::vector<ResolvedPlan> chain_of(const RunCommand& command) {
  std::vector<ResolvedPlan> chain = {load_plan(command.plan, command.overrides)};
  const std::vector<std::string> overrides = inherited(command.overrides);
  for (std::string file = prerequisite_file(chain[0]); !file.empty();
       file = prerequisite_file(chain.front())) {
    if (chain.size() > kMostPrerequisites)
      throw_fault("KT-CFG-008",
                  "{}: more than {} prerequisites, one before the other; does a plan "
                  "name itself in init.plan?",
                  command.plan, kMostPrerequisites);
    chain.insert(chain.begin(), load_plan(file, overrides));
  }
  return chain;
}

// Whether there is a file of a checkpoint, good or not.
bool has_checkpoint(const std::string& folder) {
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/weights", missing)) {
    const std::string name = entry.path().filename().string();
    if (name == "best.safetensors" || checkpoint_step(name)) return true;
  }
  return false;
}

// Whether the run in `folder` has come to its end.
bool is_complete(const std::string& folder, const Notice& notice) {
  const auto last = take_checkpoint(real_file_system(), folder + "/weights", "last", notice);
  return last && !last->metadata("ended").empty();
}

int train_one(const ResolvedPlan& resolved, const ResolvedPlan* prerequisite, bool fresh,
              const RunCommand& command, Console& console, const StopSignals& signals) {
  Trainer trainer(resolved,
                  {.folder = run_folder_of(resolved, command.runs),
                   .runs = command.runs,
                   .prerequisite = prerequisite,
                   .fresh = fresh},
                  console);
  return exit_code(trainer.run(signals));
}

// The plans of the chain whose runs are still to be made, the last one in any case.
std::vector<std::size_t> to_run(const std::vector<ResolvedPlan>& chain, const RunCommand& command,
                                const Notice& notice) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string folder = run_folder_of(chain[i], command.runs);
    if (i + 1 == chain.size() || !has_checkpoint(folder) || !is_complete(folder, notice))
      open.push_back(i);
  }
  return open;
}

int train_chain(const std::vector<ResolvedPlan>& chain, const RunCommand& command,
                Console& console) {
  const StopSignals signals;
  const Notice notice = [&](const std::string& line) { console.text("notice    " + line); };
  const std::string folder = run_folder_of(chain.back(), command.runs);
  if (command.resume && !has_checkpoint(folder))
    throw_fault("KT-CKPT-005", "{}: --resume, but there is no run to go on with", folder);
  const std::vector<std::size_t> open = to_run(chain, command, notice);
  // What is wrong with a later plan's data should not be found after hours of an earlier one.
  if (open.size() > 1)
    for (const std::size_t i : open)
      (void)open_data_set(chain[i].plan.data, chain[i].plan.threads, notice);
  for (const std::size_t i : open) {
    const bool last = i + 1 == chain.size();
    if (!last)
      console.text(
          fmt::format("{} starts from {} of {}, which has not run to its end: it runs "
                      "first, in {}\n",
                      chain[i + 1].name, chain[i + 1].plan.init.take, chain[i].name,
                      run_folder_of(chain[i], command.runs)));
    const int code = train_one(chain[i], i > 0 ? &chain[i - 1] : nullptr, last && command.fresh,
                               command, console, signals);
    if (code != 0) return code;
    if (!last) console.text("");
  }
  return 0;
}

int dry_run(const std::vector<ResolvedPlan>& chain, const RunCommand& command, Console& console,
            const Notice& notice) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i)
    console.result(fmt::format("before    {} runs first unless {} holds its complete run",
                               chain[i].file, run_folder_of(chain[i], command.runs)));
  RunSetup setup(chain.back(), notice);
  console.result(setup.heading());
  console.result(schedules_text(setup.plan(), setup.timeline()));
  const std::string folder = run_folder_of(chain.back(), command.runs);
  console.result(fmt::format("folder    {}\ndry run   nothing was trained", folder));
  console.record(nlohmann::ordered_json{{"kind", "dry_run"},
                                        {"folder", folder},
                                        {"train_pairs", setup.data().train.index.size()},
                                        {"val_pairs", setup.data().val.index.size()},
                                        {"steps", setup.total_steps()},
                                        {"memory_bytes", setup.memory().usage.high_water_bytes}}
                     .dump());
  return 0;
}

}  // namespace

int run_plan(const RunCommand& given, std::ostream& out) {
  if (given.resume && given.fresh)
    throw_fault("KT-CLI-001", "--resume and --fresh contradict each other; give one of them");
  if (given.quiet && given.json)
    throw_fault("KT-CLI-001", "--quiet and --json contradict each other; give one of them");
  RunCommand command = given;
  std::ostringstream said;
  command.plan = plan_file(given.plan, said);
  refuse_recovery(command.plan);
  const std::vector<ResolvedPlan> chain = chain_of(command);
  Console console(out,
                  command.json    ? Console::Mode::kJson
                  : command.quiet ? Console::Mode::kQuiet
                                  : Console::Mode::kText,
                  &out == &std::cout && ::isatty(STDOUT_FILENO) == 1);
  if (!said.str().empty()) console.text(said.str());
  const Plan& last = chain.back().plan;
  const DeviceChoice device = choose_device(last.device, gpu_refusal(last));
  if (!device.note.empty()) console.text("device    " + device.note);
  if (const std::string note = precision_note(last.train.precision, device.device); !note.empty())
    console.text("precision " + note);
  const Notice notice = [&](const std::string& line) { console.text("notice    " + line); };
  if (command.dry_run) return dry_run(chain, command, console, notice);
  if (command.fast_check)
    return fast_check(chain.back(), run_folder_of(chain.back(), command.runs) + ".fast-check",
                      console);
  return train_chain(chain, command, console);
}

}  // namespace ktrain
