#include "train/cli.h"

#include <algorithm>
#include <functional>
#include <ostream>

#include <CLI/CLI.hpp>

#include "runtime/fault.h"
#include "train/check_command.h"
#include "train/eval_command.h"
#include "train/explain.h"
#include "train/nearest.h"
#include "train/plan_text.h"

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

// The nearest verb when the first word is none; CLI11 itself would only say that it is unexpected.
void check_verb(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0].starts_with("-")) return;
  std::vector<std::string_view> names;
  for (const CLI::App* const verb : app.get_subcommands({})) names.push_back(verb->get_name());
  if (std::find(names.begin(), names.end(), arguments[0]) != names.end()) return;
  throw_fault("KT-CLI-001", "unknown command '{}'{}; `ktrain --help` lists all",
              printable(arguments[0]), did_you_mean(arguments[0], names));
}

int dispatch(const std::vector<std::string>& arguments, std::ostream& out) {
  CLI::App app("ktrain: two-stream pedestrian detectors", "ktrain");
  app.require_subcommand(1);
  Action action;
  add_eval(app, action);
  add_check(app, action);
  add_explain(app, action);
  try {
    check_verb(app, arguments);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const auto used = app.get_subcommands();
    out << (used.empty() ? app.help() : used[0]->help());
    return 0;
  } catch (const CLI::ParseError& error) {
    throw_fault("KT-CLI-001", "{}; `ktrain --help` lists commands, `ktrain COMMAND --help` options",
                printable(error.what(), 300));
  }
  return action(out);
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
  } catch (const std::bad_alloc&) {
    return report(err, Exit::kOutOfMemory, "KT-SYS-002: the system gives no more memory");
  } catch (const std::exception& error) {
    return report(err, Exit::kBug, fmt::format("KT-BUG-001: {}", error.what()));
  }
}

}  // namespace ktrain
