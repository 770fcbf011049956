#include "train/cli.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <ostream>

#include <CLI/CLI.hpp>

#include "kernels/device/lost.h"
#include "runtime/fault.h"
#include "train/bench_step_command.h"
#include "train/built_in_plans.h"
#include "train/check_command.h"
#include "train/detect_command.h"
#include "train/drift_command.h"
#include "train/eval_command.h"
#include "train/experiment_command.h"
#include "train/explain.h"
#include "train/machine_text.h"
#include "train/monitor_verbs.h"
#include "train/nearest.h"
#include "train/plan_text.h"
#include "train/recovery/recovery_verbs.h"
#include "train/report/report_command.h"
#include "train/run_command.h"
#include "train/synth_command.h"
#include "train/watch/watch_command.h"

namespace ktrain {
namespace {

using Action = std::function<int(std::ostream&)>;

void add_eval(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand("eval", "score a results file against annotations");
  const auto options = std::make_shared<EvalOptions>();
  verb->add_option("--protocol", options->protocol, "kaist, voc or coco")
      ->check(CLI::IsMember({"kaist", "voc", "coco"}))
      ->capture_default_str();
  verb->add_option("--annotations", options->annotations, "COCO-like JSON file")->required();
  verb->add_option("--results", options->results,
                   "KAIST text, MATLAB text, a folder of such files, or COCO JSON")
      ->required();
  verb->add_option("--compat", options->compat, "mlpd: by the rule of MLPD's Python script")
      ->check(CLI::IsMember({"mlpd"}));
  verb->add_flag("--json", options->json, "one JSON object instead of text");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_eval(*options, out); };
  });
}

void add_check(CLI::App& app, Action& action) {
  CLI::App* const verb =
      app.add_subcommand("check", "list everything that is wrong with a data set");
  const auto options = std::make_shared<CheckOptions>();
  verb->add_option("root", options->root, "the data set's folder, or a plan")->required();
  verb->add_option("--layout", options->source.layout, "a data.preset: kaist, llvip, voc, ...")
      ->capture_default_str();
  verb->add_option("--list", options->lists,
                   "lists of the layout, such as train-all-02 (kaist) or train (llvip); of two, "
                   "what they share is reported");
  verb->add_option("--positive", options->source.labels.positive, "class names of pedestrians")
      ->capture_default_str();
  verb->add_option("--ignore", options->source.labels.ignore, "class names of regions to ignore")
      ->capture_default_str();
  verb->add_option("--background", options->source.labels.background,
                   "class names that are not looked for")
      ->capture_default_str();
  verb->add_option("--boxes", options->source.boxes, "auto, visible, thermal, mean or union")
      ->capture_default_str();
  verb->add_option("--origin", options->source.origin,
                   "the first pixel's coordinate in the annotations; without it the layout's rule")
      ->check(CLI::IsMember({"0", "1"}));
  verb->add_option("--write-list", options->write_list,
                   "a new list file with the pairs that are sound");
  verb->add_flag("--json", options->json, "one JSON object instead of text");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_check(*options, out); };
  });
}

// "640x512"
void read_size(const std::string& text, SynthSpec& spec) {
  char end = 0;
  if (std::sscanf(text.c_str(), "%5dx%5d%c", &spec.width, &spec.height, &end) != 2)
    throw_fault("KT-CLI-001", "--size: found '{}', wanted WIDTHxHEIGHT, as 640x512",
                printable(text));
}

void add_synth(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand("synth", "make the built-in data set");
  const auto options = std::make_shared<SynthOptions>();
  SynthSpec& spec = options->spec;
  const auto number = [&](const char* name, auto& value, const char* meaning) {
    return verb->add_option(name, value, meaning)->capture_default_str();
  };
  verb->add_option("root", options->root, "the folder to make; one that is complete is left alone")
      ->required();
  number("--pairs", spec.train_pairs, "training pairs");
  number("--val", spec.val_pairs, "held-out pairs");
  verb->add_option_function<std::string>(
      "--size", [&spec](const std::string& text) { read_size(text, spec); },
      "WIDTHxHEIGHT in pixels, 640x512 when not given");
  CLI::Option* const quality =
      number("--quality", spec.quality, "light in the visible images, 0 to 1");
  verb->add_option_function<double>(
          "--photons", [&spec](double photons) { spec.quality = synth_quality(photons); },
          "the same in photons from white in daylight, 4 to 4000")
      ->excludes(quality);
  number("--night", spec.night, "share of night scenes");
  number("--shift", spec.shift, "largest shift between the modalities, pixels");
  number("--crowd", spec.crowding, "factor on the number of people, 0 to 10");
  number("--empty", spec.empty, "share of scenes with nobody in them");
  number("--seed", spec.seed, "seed of the scenes");
  number("--threads", options->threads, "0: every core");
  verb->add_option("--sheet", options->sheet, "also write a picture of some pairs, .png or .jpg");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_synth(*options, out); };
  });
}

void add_explain(CLI::App& app, Action& action) {
  CLI::App* const verb =
      app.add_subcommand("explain", "what a message, an exit code or a plan key means");
  const auto topic = std::make_shared<std::string>();
  verb->add_option("topic", *topic, "a message id, part of a key, or: plan, messages, exit")
      ->required();
  const auto markdown = std::make_shared<bool>(false);
  verb->add_flag("--markdown", *markdown, "with `plan`: docs/plan_reference.md");
  verb->callback([topic, markdown, &action] {
    action = [topic, markdown](std::ostream& out) {
      if (*markdown && *topic != "plan")
        throw_fault("KT-CLI-001", "--markdown goes with `explain plan`");
      out << (*markdown ? reference_markdown() : explain(*topic));
      return 0;
    };
  });
}

void add_run(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand(
      "run",
      "train by a plan, after the plans that it starts from; `ktrain PLAN.cfg` does the same");
  const auto command = std::make_shared<RunCommand>();
  verb->add_option("plan", command->plan, "the plan, a .cfg file")->required();
  verb->add_option("--set", command->overrides, "key=value in place of the plan's own")
      ->allow_extra_args(false);
  verb->add_option("--runs", command->runs, "folder in which every run has its folder")
      ->capture_default_str();
  verb->add_flag("--resume", command->resume, "fail when there is no run to go on with");
  verb->add_flag("--fresh", command->fresh, "start over; an older run is kept under another name");
  verb->add_flag("--dry-run", command->dry_run,
                 "check plan and data, show model, memory and schedules; train nothing");
  verb->add_flag("--fast-check", command->fast_check,
                 "two batches, one validation batch, save, reload, compare");
  verb->add_flag("--quiet", command->quiet, "only what the run came to");
  verb->add_flag("--json", command->json, "one JSON object per line instead of text");
  verb->callback([command, &action] {
    action = [command](std::ostream& out) { return run_plan(*command, out); };
  });
}

void add_init(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand("init", "write the built-in plans to a folder");
  const auto folder = std::make_shared<std::string>("configs");
  verb->add_option("folder", *folder, "the folder; files that are there are never changed")
      ->capture_default_str();
  verb->callback([folder, &action] {
    action = [folder](std::ostream& out) {
      write_built_in_plans(*folder);
      for (const BuiltInPlan& plan : built_in_plans())
        out << fmt::format("{}/{}\n", *folder, plan.name);
      return 0;
    };
  });
}

void add_detect(CLI::App& app, Action& action) {
  CLI::App* const verb =
      app.add_subcommand("detect", "draw what a trained detector finds on pairs of images");
  const auto options = std::make_shared<DetectOptions>();
  verb->add_option("run", options->run, "a run folder")->required();
  verb->add_option("--take", options->take, "which checkpoint: best, last, epoch_N")
      ->capture_default_str();
  verb->add_option("--set", options->overrides, "key=value in place of the run's own")
      ->allow_extra_args(false);
  verb->add_option("--list", options->role, "which list of the plan")
      ->check(CLI::IsMember({"train", "val", "test"}))
      ->capture_default_str();
  verb->add_option("--limit", options->limit, "pairs, 0 for the whole list")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--score", options->score, "boxes below it are not drawn")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--visible", options->visible, "an image file, with --thermal");
  verb->add_option("--thermal", options->thermal, "the other image of the pair");
  verb->add_option("--out", options->out, "folder of the pictures, RUN/detect when not given");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_detect(*options, out); };
  });
}

void add_drift(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand(
      "drift", "how far a detector's representations are from another checkpoint's");
  const auto options = std::make_shared<DriftOptions>();
  verb->add_option("run", options->subject, "a run folder, or a checkpoint in one")->required();
  verb->add_option("--reference", options->reference, "the checkpoint to compare with")->required();
  verb->add_option("--take", options->take, "of a run folder: best, last, epoch_N")
      ->capture_default_str();
  verb->add_option("--set", options->overrides,
                   "key=value in place of the run's own: data.root, monitor.anchors ...")
      ->allow_extra_args(false);
  verb->add_flag("--json", options->json, "the records of monitor.jsonl instead of tables");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_drift(*options, out); };
  });
}

void add_report(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand("report", "write runs as one HTML file");
  const auto options = std::make_shared<ReportOptions>();
  verb->add_option("runs", options->runs, "run folders; several are laid over each other")
      ->required();
  verb->add_option("--out", options->out, "the file, RUN/report.html when not given");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_report(*options, out); };
  });
}

void add_watch(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand("watch", "show all runs beneath a folder, live");
  const auto options = std::make_shared<WatchOptions>();
  verb->add_option("folder", options->folder, "the folder, at any depth above the runs")
      ->capture_default_str();
  verb->add_flag("--once", options->once,
                 "one look; exit code 0 healthy, 1 no run, 2 degraded, 3 stopped, 4 crashed");
  verb->add_flag("--json", options->json, "one JSON object per look instead of text");
  verb->add_option("--interval", options->interval, "seconds between two looks")
      ->check(CLI::Range(0.05, 86400.0))
      ->capture_default_str();
  verb->add_option("--stall", options->stall,
                   "seconds without a sign of life that degrade a run; 0: by its own pace")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_watch(*options, out); };
  });
}

void add_experiment(CLI::App& app, Action& action) {
  CLI::App* const verb = app.add_subcommand(
      "experiment", "run a pre-registered design, or go on with it, and write what came of it");
  const auto options = std::make_shared<ExperimentOptions>();
  verb->add_option("design", options->design, "the design, a .cfg file")->required();
  verb->add_option("--runs", options->runs, "folder in which every run has its folder")
      ->capture_default_str();
  verb->add_option("--out", options->out, "the report")->capture_default_str();
  verb->add_flag("--dry-run", options->dry_run,
                 "check the plans, show the runs and how long they would take; train nothing");
  verb->add_flag("--analyse-only", options->analyse_only, "from the runs that are there");
  verb->add_flag("--json", options->json, "one JSON object per line instead of text");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_experiment(*options, out); };
  });
}

// `ktrain PLAN.cfg ...` is short for `ktrain run PLAN.cfg ...`.
std::vector<std::string> with_verb(std::vector<std::string> arguments) {
  const auto is_plan = [](const std::string& text) { return text.ends_with(".cfg"); };
  if (arguments.empty()) return arguments;
  const bool option_first =
      arguments[0].starts_with("-") && std::any_of(arguments.begin(), arguments.end(), is_plan);
  if (is_plan(arguments[0]) || option_first) arguments.insert(arguments.begin(), "run");
  return arguments;
}

void add_bench_step(CLI::App& app, Action& action) {
  CLI::App* const verb =
      app.add_subcommand("bench-step", "time one training step of the detector on made-up images");
  const auto options = std::make_shared<BenchStepOptions>();
  const auto add = [&](const char* name, auto& value, const char* meaning) {
    return verb->add_option(name, value, meaning)->capture_default_str();
  };
  add("--size", options->size, "width x height of the images, multiples of 32");
  add("--depth", options->depth, "of the ResNets: 18, 34, 50 or 101");
  add("--width", options->width, "factor on the ResNets' channels");
  add("--channels", options->channels, "of the pyramid");
  add("--proposals", options->proposals, "of an image");
  add("--rois", options->rois, "regions of an image that a step trains on");
  add("--fc", options->fc_channels, "outputs of the RoI head's two layers");
  add("--device", options->device, "where the step runs")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  add("--streams", options->streams, "which streams there are")
      ->check(CLI::IsMember({"both", "visible", "thermal"}));
  add("--norm", options->norm, "statistics of the normalisation")
      ->check(CLI::IsMember({"frozen", "batch"}));
  add("--precision", options->precision, "of maps and products, as train.precision")
      ->check(CLI::IsMember({"float", "tf32", "bf16"}));
  add("--batch", options->batch, "image pairs");
  add("--boxes", options->boxes, "of an image");
  add("--threads", options->threads, "0: every core")->check(CLI::Range(0, 1024));
  add("--steps", options->steps, "timed");
  add("--warmup", options->warmup, "steps before those");
  verb->add_flag("!--no-parts", options->parts, "do not time the parts of the model");
  verb->add_flag("--json", options->json, "one JSON object instead of text");
  verb->callback([options, &action] {
    action = [options](std::ostream& out) { return run_bench_step(*options, out); };
  });
}

// The nearest verb when the first word is none; CLI11 itself would only say that it is
// unexpected.
void check_verb(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0].starts_with("-")) return;
  std::vector<std::string_view> names;
  for (const CLI::App* const verb : app.get_subcommands({})) names.push_back(verb->get_name());
  if (std::find(names.begin(), names.end(), arguments[0]) != names.end()) return;
  throw_fault("KT-CLI-001", "unknown command '{}'{}; `ktrain --help` lists all",
              printable(arguments[0]), did_you_mean(arguments[0], names));
}

int dispatch(const std::vector<std::string>& given, std::ostream& out) {
  const std::vector<std::string> arguments = with_verb(given);
  CLI::App app(
      "ktrain: two-stream pedestrian detectors\n\n"
      "ktrain PLAN.cfg [OPTIONS]    train by a plan, such as configs/plan_a.cfg\n"
      "ktrain COMMAND [OPTIONS]\n",
      "ktrain");
  app.set_version_flag("--version", "ktrain " + version_text());
  app.require_subcommand(1);
  Action action;
  add_run(app, action);
  add_detect(app, action);
  add_drift(app, action);
  add_init(app, action);
  add_eval(app, action);
  add_check(app, action);
  add_bench_step(app, action);
  add_synth(app, action);
  add_watch(app, action);
  add_report(app, action);
  add_recovery_verbs(app, action);
  add_experiment(app, action);
  add_monitor_verbs(app, action);
  add_explain(app, action);
  if (arguments.empty()) {
    out << app.help();
    return static_cast<int>(Exit::kUsage);
  }
  try {
    check_verb(app, arguments);
    std::vector<std::string> reversed(arguments.rbegin(),
                                      arguments.rend());  // as CLI11 wants it
    app.parse(reversed);
  } catch (const CLI::CallForVersion&) {
    out << "ktrain " << version_text() << '\n';
    return 0;
  } catch (const CLI::CallForHelp&) {
    const auto used = app.get_subcommands();
    out << (used.empty() ? app.help() : used[0]->help());
    return 0;
  } catch (const CLI::ParseError& error) {
    throw_fault("KT-CLI-001", "{}; `ktrain --help` lists commands, `ktrain COMMAND --help` options",
                printable(error.what(), 300));
  }
  const int code = action(out);
  // A run goes on when nobody listens any more; what other commands have to say is their result.
  if (!out.flush() && arguments[0] != "run" && arguments[0] != "recover")
    throw_fault("KT-IO-001", "standard output: cannot be written, so the result is lost");
  return code;
}

int report(std::ostream& err, Exit exit, std::string_view text) {
  err << "ktrain: error " << text << '\n'
      << "ktrain: exit " << static_cast<int>(exit) << ' ' << exit_name(exit) << '\n';
  return static_cast<int>(exit);
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  try {
    return dispatch(arguments, out);
  } catch (const Fault& fault) {
    return report(err, fault.exit(), fault.what());
  } catch (const DeviceLost& error) {
    const Fault fault("KT-SYS-005",
                      fmt::format("{}; a run goes on from its last checkpoint", error.what()));
    return report(err, fault.exit(), fault.what());
  } catch (const std::bad_alloc&) {
    return report(err, Exit::kOutOfMemory, "KT-SYS-002: the system gives no more memory");
  } catch (const std::exception& error) {
    return report(err, Exit::kBug, fmt::format("KT-BUG-001: {}", error.what()));
  }
}

}  // namespace ktrain
