#include "train/experiment/runner.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "kernels/profile.h"
#include "runtime/fault.h"
#include "runtime/sha256.h"
#include "train/checkpoint.h"
#include "train/divergence.h"
#include "train/experiment/measure.h"
#include "train/initial_weights.h"
#include "train/plan_text.h"
#include "train/read_text.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/trainer.h"
#include "train/utc_time.h"

namespace ktrain::experiment {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
constexpr const char* kPin = "DESIGN";
constexpr const char* kJournal = "journal.jsonl";

// "" when there is none.
std::string newest_checkpoint(const std::string& folder) {
  std::int64_t newest = -1;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder + "/weights", missing))
    newest = std::max(newest, checkpoint_step(entry.path().filename().string()).value_or(-1));
  return newest < 0 ? "" : folder + "/weights/" + checkpoint_name(newest);
}

bool has_ended(const std::string& checkpoint) {
  if (checkpoint.empty()) return false;
  try {
    const Metadata metadata = read_checkpoint_header(real_file_system(), checkpoint).metadata;
    const auto ended = metadata.find("ended");
    return ended != metadata.end() && !ended->second.empty();
  } catch (const Error&) {
    return false;  // the run goes on from an older one, and says what is wrong with this
  }
}

// A cell's plan holds nothing that the experiment decides.
void check_plan_of(const Cell& cell) {
  const ResolvedPlan plan = load_plan(cell.plan, cell.set);
  if (!plan.plan.init.plan.empty() || !plan.plan.init.checkpoint.empty())
    throw_fault("KT-CFG-008",
                "{}: init.plan or init.checkpoint is set; an experiment's runs start as it says: "
                "warm starts from random numbers, arms from their seed's warm start",
                cell.plan);
}

// The checkpoint that arms of this seed start from; the warm start is complete.
std::string start_of(const Cell& warm) { return newest_checkpoint(warm.folder); }

// Its plan must be the one that the design gives the cell now.
void check_done(const Cell& cell, const ResolvedPlan& resolved) {
  const LoadedCheckpoint last =
      read_checkpoint_file(real_file_system(), newest_checkpoint(cell.folder));
  check_made_by(last, resolved.plan);
}

// Seconds per run, from this process and the ones before.
class Journal {
 public:
  explicit Journal(const std::string& folder) : path_(folder + "/" + kJournal) {
    std::istringstream lines(read_text(path_));
    for (std::string line; std::getline(lines, line);) {
      const auto json = Json::parse(line, nullptr, false);
      if (json.is_object() && json.contains("seconds") && json["seconds"].is_number())
        add(json.value("warm", false), json["seconds"].get<double>());
    }
  }
  void write(const Cell& cell, double seconds) {
    add(cell.warm(), seconds);
    std::ofstream(path_, std::ios::app)
        << Json{{"cell", cell.label()}, {"warm", cell.warm()}, {"seconds", seconds}}.dump() << '\n';
  }
  // Nothing before the first run of a kind.
  [[nodiscard]] std::optional<double> seconds(bool warm) const {
    const Kind& kind = warm ? warm_ : arm_;
    return kind.runs == 0 ? std::nullopt
                          : std::optional(kind.seconds / static_cast<double>(kind.runs));
  }

 private:
  struct Kind {
    std::int64_t runs = 0;
    double seconds = 0;
  } warm_, arm_;
  void add(bool warm, double seconds) {
    Kind& kind = warm ? warm_ : arm_;
    ++kind.runs;
    kind.seconds += seconds;
  }
  std::string path_;
};

// Keeps text away from where it would be too much.
class NullBuffer : public std::streambuf {
 protected:
  int overflow(int c) override { return traits_type::not_eof(c); }
};

struct Session {
  const std::vector<Cell>& cells;
  const std::string& runs;
  Console& console;
  const StopSignals& signals;
  Journal journal;
};

std::string left_text(const Session& session, std::size_t next) {
  double seconds = 0;
  for (std::size_t i = next; i < session.cells.size(); ++i) {
    if (state_of(session.cells[i]) != CellState::kMissing) continue;
    const auto one = session.journal.seconds(session.cells[i].warm());
    if (!one) return "";
    seconds += *one;
  }
  return fmt::format("; about {} left", duration_text(seconds));
}

ResolvedPlan plan_to_run(const Session& session, const Cell& cell) {
  if (cell.warm()) return load_plan(cell.plan, cell.set);
  const Cell& warm = warm_start_of(session.cells, cell);
  return load_plan(cell.plan, with_start(cell, start_of(warm)));
}

// How the run ended: 0, or the exit code of a signal.
int train_cell(const Session& session, const Cell& cell, const ResolvedPlan& resolved) {
  NullBuffer nowhere;
  std::ostream silent(&nowhere);
  Console quiet(silent, Console::Mode::kQuiet, false);
  Trainer trainer(resolved, {.folder = cell.folder, .runs = session.runs}, quiet);
  return exit_code(trainer.run(session.signals));
}

void tell(const Session& session, std::size_t i, CellState state, double seconds) {
  const Cell& cell = session.cells[i];
  const RunMeasure measure = measure_validation(cell.folder);
  const std::string map =
      measure.map ? fmt::format("mAP {:.4f}", *measure.map) : std::string("no validation");
  session.console.text(
      fmt::format("run {:>3}/{}  {}: {}  {}{}", i + 1, session.cells.size(), cell.label(),
                  state == CellState::kFailed ? "failed, " + divergence_of(cell.folder) : map,
                  duration_text(seconds), left_text(session, i + 1)));
  Json json = {{"kind", "run"},
               {"number", i + 1},
               {"of", session.cells.size()},
               {"seed", cell.seed},
               {"quality", cell.quality},
               {"arm", cell.arm},
               {"folder", cell.folder},
               {"seconds", seconds},
               {"state", state == CellState::kFailed ? "failed" : "done"}};
  json["map"] = measure.map ? Json(*measure.map) : Json(nullptr);
  session.console.record(json.dump());
}

}  // namespace

CellState state_of(const Cell& cell) {
  if (has_ended(newest_checkpoint(cell.folder))) return CellState::kDone;
  return divergence_of(cell.folder).empty() ? CellState::kMissing : CellState::kFailed;
}

void check_plans(const std::vector<Cell>& cells) {
  for (const Cell& cell : cells) check_plan_of(cell);
}

RunCount count_runs(const std::vector<Cell>& cells) {
  RunCount count;
  for (const Cell& cell : cells) {
    const CellState state = state_of(cell);
    ++count.all;
    count.done += state == CellState::kDone;
    count.failed += state == CellState::kFailed;
  }
  return count;
}

void pin_design(const Design& design, RunFolder& folder) {
  const auto plan_hash = [](const std::string& file) {
    return sha256_hex(canonical_text(load_plan(file).plan));
  };
  const Json now = {{"design", sha256_hex(design.text)},
                    {"warm", plan_hash(design.warm)},
                    {"arm", plan_hash(design.arm)}};
  const std::string text = folder.read(kPin);
  if (text.empty()) {
    Json pin = now;
    pin["began"] = utc_now();
    folder.write("design.cfg", design.text);
    folder.write(kPin, pin.dump() + "\n");
    return;
  }
  const auto pinned = Json::parse(text, nullptr, false);
  for (const auto& [key, value] : now.items())
    if (!pinned.is_object() || pinned.value(key, "") != value.get<std::string>())
      throw_fault("KT-EXP-001",
                  "{}: {} has changed since the first run of {}; give the new one another name, or "
                  "bring the old one back ({}/design.cfg)",
                  design.file, key == "design" ? "the design" : "the plan '" + key + "'",
                  folder.path(), folder.path());
}

int run_cells(const Design& design, const std::vector<Cell>& cells, const std::string& runs,
              Console& console, const StopSignals& signals) {
  check_plans(cells);
  const Notice notice = [&](const std::string& line) { console.text("notice    " + line); };
  RunFolder folder(real_file_system(), experiment_folder(design, runs), notice);
  pin_design(design, folder);
  Session session{cells, runs, console, signals, Journal(folder.path())};
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    CellState state = state_of(cell);
    if (state == CellState::kFailed && cell.warm())
      throw_fault("KT-EXP-002", "{}: the warm start failed ({}), and its arms have none",
                  cell.folder, divergence_of(cell.folder));
    if (state == CellState::kFailed) continue;
    const ResolvedPlan resolved = plan_to_run(session, cell);
    if (state == CellState::kDone) {
      check_done(cell, resolved);
      continue;
    }
    if (signals.pending() != 0)
      return exit_code(signals.pending() == SIGINT ? RunEnd::kInterrupted : RunEnd::kPreempted);
    console.live(fmt::format("run {}/{}  {} ...", i + 1, cells.size(), cell.label()));
    const double begin = monotonic_seconds();
    try {
      if (const int code = train_cell(session, cell, resolved); code != 0) return code;
      state = CellState::kDone;
      session.journal.write(cell, monotonic_seconds() - begin);
    } catch (const Fault& fault) {
      // What the numbers of an arm do is a result of the experiment; anything else is not.
      if (!is_divergence(fault.id()) || cell.warm()) throw;
      state = CellState::kFailed;
    }
    tell(session, i, state, monotonic_seconds() - begin);
  }
  return 0;
}

}  // namespace ktrain::experiment
