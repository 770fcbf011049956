#include "train/monitor_verbs.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "train/monitor_command.h"
#include "train/replay_command.h"

namespace ktrain {
namespace {

using Action = std::function<int(std::ostream&)>;

void add_monitor(CLI::App& app, Action& action) {
  CLI::App* const verb =
      app.add_subcommand("monitor", "which loss pulls against detection, layer by layer, in a run");
  const auto command = std::make_shared<MonitorCommand>();
  verb->add_option("run", command->run, "a run folder")->required();
  verb->add_option("--quantity", command->quantity,
                   "over time instead of the summary: a log name, '*' for any part of it, as "
                   "'g/*/pcos/det~macl'");
  verb->add_flag("--csv", command->csv, "comma-separated values instead of text");
  verb->add_flag("--json", command->json, "one JSON object instead of text");
  verb->callback([command, &action] {
    action = [command](std::ostream& out) { return run_monitor(*command, out); };
  });
}

void add_replay(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand(
      "replay", "what a remedy against conflict would have done to a run's steps");
  const auto command = std::make_shared<ReplayCommand>();
  verb->add_option("run", command->run, "a run folder")->required();
  verb->add_option("--remedy", command->remedy, "none, cut, gate, pc_asym, pcgrad, cagrad, ...")
      ->required();
  verb->add_option("--metric", command->metric, "raw or preconditioned")->capture_default_str();
  verb->add_option("--cut", command->cut, "layer groups for --remedy cut: visible.stem, visible");
  verb->add_option("--cut-scale", command->cut_scale, "what is left of auxiliary losses there")
      ->capture_default_str();
  verb->add_option("--seed", command->seed, "of the order in pcgrad and gradvac")
      ->capture_default_str();
  verb->add_flag("--json", command->json, "one JSON object instead of text");
  verb->callback([command, &action] {
    action = [command](std::ostream& out) { return run_replay(*command, out); };
  });
}

}  // namespace

void add_monitor_verbs(CLI::App& app, Action& action) {
  add_monitor(app, action);
  add_replay(app, action);
}

}  // namespace ktrain
