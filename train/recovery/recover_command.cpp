#include "train/recovery/recover_command.h"

#include <iostream>
#include <sstream>

#include <unistd.h>

#include "runtime/fault.h"
#include "train/built_in_plans.h"
#include "train/recovery/plan_run.h"
#include "train/recovery/recovery_walk.h"

namespace ktrain {
namespace {

void move_away(const Recovery& recovery, const LoadedPlans& plans, const std::string& runs,
               Console& console) {
  std::vector<std::string> folders = {recovery_folder(recovery, runs)};
  // Runs of the recovery's own lie beneath its folder and go with it.
  for (const auto& [name, plan] : plans)
    if (!plan.folder.starts_with(folders[0] + "/")) folders.push_back(plan.folder);
  for (const std::string& folder : folders) {
    const std::string now = archive_run_folder(real_file_system(), folder);
    if (!now.empty()) console.text(fmt::format("fresh     {} is now {}", folder, now));
  }
}

}  // namespace

int run_recover(const RecoverCommand& command, std::ostream& out) {
  if (command.quiet && command.json)
    throw_fault("KT-CLI-001", "--quiet and --json contradict each other; give one of them");
  std::ostringstream said;
  Recovery recovery = load_recovery(plan_file(command.file, said));
  LoadedPlans plans = load_plans(recovery, command.overrides, command.runs);
  Console console(out,
                  command.json    ? Console::Mode::kJson
                  : command.quiet ? Console::Mode::kQuiet
                                  : Console::Mode::kText,
                  &out == &std::cout && ::isatty(STDOUT_FILENO) == 1);
  if (!said.str().empty()) console.text(said.str());
  if (command.dry_run) {
    console.result(recovery_text(recovery, plans));
    console.result(fmt::format("folder    {}\ndry run   nothing was trained",
                               recovery_folder(recovery, command.runs)));
    console.record(OrderedJson{{"kind", "dry_run"},
                               {"folder", recovery_folder(recovery, command.runs)},
                               {"plans", plans.size()},
                               {"nodes", recovery.nodes.size()}}
                       .dump());
    return 0;
  }
  const StopSignals signals;
  const Notice notice = [&](const std::string& line) { console.text("notice    " + line); };
  read_data(plans, notice);
  if (command.fresh) move_away(recovery, plans, command.runs, console);
  check_run_folders(plans, recovery, notice);
  RunFolder folder(real_file_system(), recovery_folder(recovery, command.runs), notice);
  folder.write("recovery.txt", recovery_text(recovery, plans));
  return RecoveryWalk(recovery, plans, command.runs, folder, console, signals).run();
}

}  // namespace ktrain
