#include "train/recovery/recovery_verbs.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "train/compare_command.h"
#include "train/recovery/recover_command.h"

namespace ktrain {
namespace {

using Action = std::function<int(std::ostream&)>;

void add_recover(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand(
      "recover", "carry out a tree of plans and decisions, such as configs/recovery.cfg");
  const auto command = std::make_shared<RecoverCommand>();
  verb->add_option("file", command->file, "the recovery file, a .cfg")->required();
  verb->add_option("--set", command->overrides,
                   "key=value in place of every plan's own, NAME:key=value of one plan's")
      ->allow_extra_args(false);
  verb->add_option("--runs", command->runs, "folder in which every run has its folder")
      ->capture_default_str();
  verb->add_flag("--fresh", command->fresh,
                 "start over; older folders, the runs' too, are kept under other names");
  verb->add_flag("--dry-run", command->dry_run, "print the whole tree; train nothing");
  verb->add_flag("--quiet", command->quiet, "only decisions and what runs came to");
  verb->add_flag("--json", command->json, "one JSON object per line instead of text");
  verb->callback([command, &action] {
    action = [command](std::ostream& out) { return run_recover(*command, out); };
  });
}

void add_compare(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand(
      "compare", "runs side by side: settings, metrics, and how sure their difference is");
  const auto options = std::make_shared<CompareOptions>();
  verb->add_option("runs", options->runs, "run folders; the others are compared with the first")
      ->required();
  verb->add_option("--factor", options->comparison.factors,
                   "a key, or group of keys, that was meant to differ; may stand several times")
      ->allow_extra_args(false);
  verb->add_option("--at", options->comparison.at, "which validation: best, last, epoch_N")
      ->capture_default_str();
  verb->add_option("--resamples", options->comparison.bootstrap.resamples, "of the bootstrap")
      ->check(CLI::Range(1000, 1000000))
      ->capture_default_str();
  verb->add_option("--seed", options->comparison.bootstrap.seed, "of the bootstrap")
      ->capture_default_str();
  verb->add_flag("--json", options->json, "one JSON object instead of text");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_compare(*options, out); };
  });
}

}  // namespace

void add_recovery_verbs(CLI::App& app, Action& action) {
  add_compare(app, action);
  add_recover(app, action);
}

}  // namespace ktrain
