#include "train/report/run_data.h"

#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "train/checkpoint_file.h"
#include "train/json_lines.h"
#include "train/read_text.h"
#include "train/report/html.h"
#include "train/watch/run_finder.h"

namespace ktrain::report {
namespace {

namespace fs = std::filesystem;

std::vector<nlohmann::json> read_lines(RunData& run, const std::string& name, bool wanted) {
  JsonLines lines(run.path + "/" + name);
  auto records = lines.poll().records;
  if (!lines.exists() && wanted) run.gaps.push_back(name + " is not there");
  if (lines.bad_lines() > 0)
    run.gaps.push_back(fmt::format("{}: {} lines are not JSON objects and were passed over", name,
                                   lines.bad_lines()));
  if (lines.has_half_line())
    run.gaps.push_back(name + ": its last line has no end and was passed over");
  return records;
}

void read_plan(RunData& run) {
  const std::string text = read_text(run.path + "/run.cfg");
  try {
    if (text.empty())
      run.gaps.push_back("run.cfg is not there");
    else
      run.plan = parse_plan(text, run.path + "/run.cfg");
  } catch (const Fault& fault) {
    run.gaps.push_back(fmt::format("run.cfg is not of this version of ktrain: {}", fault.what()));
  }
}

void read_checkpoint(RunData& run) {
  const std::string path = run.path + "/weights/best.safetensors";
  std::error_code missing;
  if (!fs::exists(path, missing)) {
    run.gaps.push_back("weights/best.safetensors is not there");
    return;
  }
  try {
    const CheckpointSummary summary = verify_checkpoint_file(real_file_system(), path);
    run.checkpoint_hash = summary.payload_hash;
    run.checkpoint = summary.header.metadata;
  } catch (const Error& error) {
    run.gaps.push_back(fmt::format("weights/best.safetensors is damaged: {}", error.what()));
  }
}

}  // namespace

double RunData::epoch_at(std::int64_t step) const {
  return steps_per_epoch > 0 ? static_cast<double>(step) / static_cast<double>(steps_per_epoch)
                             : static_cast<double>(step);
}

std::vector<const nlohmann::json*> RunData::monitor_of(std::string_view kind) const {
  std::vector<const nlohmann::json*> out;
  for (const auto& record : monitor)
    if (text_at(record, "kind") == kind) out.push_back(&record);
  return out;
}

const nlohmann::json* RunData::best() const {
  const nlohmann::json* best = nullptr;
  for (const auto& v : validations)
    if (v.value("best", nlohmann::json(false)) == nlohmann::json(true)) best = &v;
  return best;
}

RunData read_run(const std::string& path) {
  RunData run;
  run.path = path;
  if (!is_run_folder(path))
    throw_fault("KT-DATA-070",
                "{}: no run folder: found neither STATUS nor run.cfg with scalars.jsonl; wanted "
                "the folder of a run, such as runs/plan_a",
                printable(path, 300));
  run.status = nlohmann::json::parse(read_text(path + "/STATUS"), nullptr, false);
  if (!run.status.is_object()) {
    run.status = nlohmann::json::object();
    run.gaps.push_back("STATUS is not there or no JSON object");
  }
  read_plan(run);
  for (auto& record : read_lines(run, "scalars.jsonl", true)) {
    const std::string kind = text_at(record, "kind");
    if (!number_at(record, "step")) continue;
    if (kind == "train")
      run.train.push_back(std::move(record));
    else if (kind == "validation")
      run.validations.push_back(std::move(record));
  }
  for (auto& record : read_lines(run, "monitor.jsonl", false))
    if (number_at(record, "step")) run.monitor.push_back(std::move(record));
  run.env = read_text(path + "/env.txt");
  run.result = read_text(path + "/report.txt");
  if (const auto* const best = run.best())
    run.best_epoch = static_cast<std::int64_t>(number_at(*best, "epoch").value_or(0));
  const double steps = number_at(run.status, "steps").value_or(0),
               epochs = number_at(run.status, "epochs").value_or(0);
  for (const auto& v : run.validations)
    if (const double epoch = number_at(v, "epoch").value_or(0);
        run.steps_per_epoch == 0 && epoch > 0)
      run.steps_per_epoch = static_cast<std::int64_t>(number_at(v, "step").value_or(0) / epoch);
  if (run.steps_per_epoch == 0 && epochs > 0)
    run.steps_per_epoch = static_cast<std::int64_t>(steps / epochs);
  read_checkpoint(run);
  return run;
}

void name_runs(std::vector<RunData>& runs) {
  // The last `count` parts of a run's path.
  const auto tail = [](const std::string& path, std::size_t count) {
    fs::path folder = fs::path(path).lexically_normal(), out;
    if (!folder.has_filename()) folder = folder.parent_path();
    for (std::size_t i = 0; i < count && folder.has_filename(); ++i, folder = folder.parent_path())
      out = out.empty() ? folder.filename() : folder.filename() / out;
    return out.string();
  };
  for (RunData& run : runs)
    for (std::size_t count = 1; count < 32; ++count) {
      run.name = tail(run.path, count);
      if (std::count_if(runs.begin(), runs.end(), [&](const RunData& other) {
            return tail(other.path, count) == run.name;
          }) == 1)
        break;
    }
}

}  // namespace ktrain::report
