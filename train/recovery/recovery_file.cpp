#include "train/recovery/recovery_file.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "train/initial_weights.h"
#include "train/metrics/text_file.h"
#include "train/plan_load.h"
#include "train/plan_scan.h"
#include "train/recovery/recovery_check.h"
#include "train/recovery/strict_table.h"
#include "train/validation.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kMeasures = {"conflict", "interaction", "positives"};

std::string one_of(StrictTable& table, std::string_view key, std::string value,
                   std::span<const std::string_view> choices) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end())
    throw_fault("KT-CFG-004", "{}: {}.{}: no such choice '{}'; wanted one of {}{}",
                table.place_of_key(key), table.path(), key, printable(value),
                fmt::join(choices, ", "), did_you_mean(value, choices));
  return value;
}

RecoveryPlan read_plan(const std::string& name, StrictTable& table) {
  RecoveryPlan plan{name, table.place(), table.required("file"), table.text("start"),
                    table.texts("set")};
  const fs::path path = fs::path(plan.file).lexically_normal();
  if (path.is_absolute() || path.extension() != ".cfg")
    throw_fault("KT-CFG-008", "{}: {}.file is '{}'; wanted a relative path to a .cfg file",
                table.place_of_key("file"), table.path(), printable(plan.file));
  plan.file = (fs::path(table.file()).parent_path() / path).lexically_normal().string();
  table.done();
  return plan;
}

RecoveryLevel read_level(const std::string& name, StrictTable& table) {
  RecoveryLevel level{.name = name, .place = table.place()};
  for (const std::string_view metric : kMetricNames) {
    const double bound = table.number(metric, -1, 0, 1);
    if (bound >= 0) level.bounds.emplace_back(metric, bound);
  }
  constexpr std::array<std::string_view, 1> kTrends = {"stable"};
  const std::string trend = table.text("trend");
  if (!trend.empty()) level.trend = one_of(table, "trend", trend, kTrends) == "stable";
  level.early_stop = table.flag("early_stop");
  table.done();
  if (level.bounds.empty() && !level.trend && !level.early_stop)
    throw_fault("KT-CFG-008", "{}: [{}] asks for nothing, so everything would reach it",
                level.place, table.path());
  return level;
}

RecoveryNode read_node(const std::string& name, StrictTable& table) {
  RecoveryNode node{.name = name, .place = table.place(), .say = table.text("say")};
  node.run = table.text("run");
  if (auto sweep = table.table("sweep")) {
    node.sweep = RecoverySweep{sweep->required("of"), sweep->required("on"),
                               sweep->integer("first", 0, 1, 1000000),
                               sweep->integer("last", 0, 1, 1000000)};
    sweep->done();
    if (node.sweep->first == 0 || node.sweep->last < node.sweep->first)
      throw_fault("KT-CFG-008", "{}: [{}]: wanted first and last, epochs in rising order",
                  sweep->place(), sweep->path());
  }
  if (auto mark = table.table("mark")) {
    node.mark = RecoveryMark{mark->texts("from"), mark->required("as")};
    mark->done();
  }
  node.compare = table.texts("compare", 2);
  node.end = table.text("end");
  for (StrictTable& rule : table.list("when")) {
    node.when.push_back({rule.text("of", node.sweep ? name : node.run), rule.required("reaches"),
                         rule.required("go"), rule.text("say"), rule.place()});
    rule.done();
  }
  node.go = table.text("go");
  table.done();
  return node;
}

RecoveryHypothesis read_hypothesis(const std::string& name, StrictTable& table) {
  RecoveryHypothesis h{.name = name, .place = table.place(), .text = table.required("text")};
  h.measure = one_of(table, "measure", table.required("measure"), kMeasures);
  h.collect = table.flag("collect").value_or(false);
  if (h.measure == "conflict") {
    h.runs = table.texts("runs");
    h.loss = table.required("loss");
    h.delta = table.number("delta", h.delta, 0, 1);
    h.share = table.number("share", h.share, 0, 1);
    h.windows = table.integer("windows", h.windows, 1, 1000000);
  } else if (h.measure == "interaction") {
    h.poor = table.texts("poor", 2);
    h.good = table.texts("good", 2);
    h.loss = table.required("loss");
    h.factor = table.required("factor");
    h.margin = table.number("margin", h.margin, 0, 1);
  } else {
    h.runs = table.texts("runs");
    h.least = table.number("least", h.least, 0, 1e6);
    h.most_empty = table.number("most_empty", h.most_empty, 0, 1);
  }
  table.done();
  return h;
}

template <class T, class Read>
void read_all(StrictTable& root, std::string_view key, std::vector<T>& out, Read&& read) {
  for (auto& [name, table] : root.tables(key)) out.push_back(read(name, table));
}

Recovery read_recovery(const toml::table& toml, const std::string& file) {
  Recovery r;
  r.file = file;
  ResolvedPlan as_plan;
  as_plan.file = file;
  as_plan.name = fs::path(file).stem().string();
  r.name = run_name(as_plan);
  StrictTable root(toml, "", file);
  auto head = root.table("recovery");
  if (!head) throw_fault("KT-CFG-008", "{}: has no [recovery], so it is not a recovery file", file);
  r.title = head->text("title", r.name);
  r.start = head->required("start");
  r.metric = one_of(*head, "metric", head->text("metric", "map"), kMetricNames);
  if (auto trend = head->table("trend")) {
    r.trend_tolerance = trend->number("tolerance", r.trend_tolerance, 0, 1);
    r.trend_least = trend->integer("least", r.trend_least, 1, 1000000);
    trend->done();
  }
  head->done();
  read_all(root, "plans", r.plans, read_plan);
  read_all(root, "levels", r.levels, read_level);
  read_all(root, "nodes", r.nodes, read_node);
  read_all(root, "hypotheses", r.hypotheses, read_hypothesis);
  root.done();
  check_recovery(r);
  return r;
}

template <class T>
const T& named(const std::vector<T>& list, std::string_view name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const T& entry) { return entry.name == name; });
  KT_CHECK(found != list.end(), "recovery: nothing named '{}'", name);
  return *found;
}

}  // namespace

std::vector<std::string> RecoveryHypothesis::plans() const {
  std::vector<std::string> names;
  for (const auto* list : {&runs, &poor, &good})
    for (const std::string& plan : *list)
      if (std::find(names.begin(), names.end(), plan) == names.end()) names.push_back(plan);
  return names;
}

const RecoveryPlan& Recovery::plan(std::string_view n) const { return named(plans, n); }
const RecoveryLevel& Recovery::level(std::string_view n) const { return named(levels, n); }
const RecoveryNode& Recovery::node(std::string_view n) const { return named(nodes, n); }

Recovery parse_recovery(std::string_view text, const std::string& file) {
  scan_plan(text, file);
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw_fault("KT-CFG-005", "{}: not TOML: {}", place_of(error.source(), file),
                printable(error.description(), 300));
  }
  return read_recovery(table, file);
}

Recovery load_recovery(const std::string& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error))
    throw_fault("KT-CFG-009", "{}: no such recovery file", printable(file, 200));
  if (fs::file_size(file, error) > kMostPlanBytes)
    throw_fault("KT-CFG-007", "{}: more than {} bytes", printable(file, 200), kMostPlanBytes);
  return parse_recovery(metrics::read_text(file), file);
}

bool is_recovery_text(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t at = line.find_first_not_of(" \t\r");
    if (at == std::string_view::npos || line[at] == '#') continue;
    return line.substr(at).starts_with("[recovery]");
  }
  return false;
}

}  // namespace ktrain
