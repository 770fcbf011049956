#include "train/run_history.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/fault.h"
#include "train/checkpoint.h"
#include "train/plan_check.h"
#include "train/validation.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void broken(const std::string& path, std::int64_t line, std::string_view what) {
  throw_fault("KT-CMP-002", "{}:{}: {}; the file was changed or the disk lost a part of it", path,
              line, what);
}

std::int64_t whole(const NumberedJson& record, const char* key, const std::string& path) {
  const auto found = record.json.find(key);
  if (found == record.json.end() || !found->is_number_integer())
    broken(path, record.line, fmt::format("a validation without a whole number '{}'", key));
  return found->get<std::int64_t>();
}

ValidationRecord validation_of(const NumberedJson& record, const std::string& path) {
  ValidationRecord v;
  v.epoch = whole(record, "epoch", path);
  v.step = whole(record, "step", path);
  v.gts = whole(record, "gts", path);
  v.dets = whole(record, "dets", path);
  v.log = fmt::format("{}:{}", path, record.line);
  const auto fingerprint = record.json.find("fingerprint");
  if (fingerprint == record.json.end() || !fingerprint->is_string())
    broken(path, record.line, "a validation without a fingerprint");
  v.fingerprint = fingerprint->get<std::string>();
  for (const std::string_view name : kMetricNames) {
    const auto found = record.json.find(std::string(name));
    if (found != record.json.end() && found->is_number())
      v.metrics[std::string(name)] = found->get<double>();
  }
  return v;
}

// The header of the newest checkpoint that has one.
Metadata newest_metadata(const std::string& folder) {
  FileSystem& files = real_file_system();
  std::vector<std::int64_t> steps;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder + "/weights", missing))
    if (const auto step = checkpoint_step(entry.path().filename().string())) steps.push_back(*step);
  std::sort(steps.rbegin(), steps.rend());
  for (const std::int64_t step : steps) {
    try {
      return read_checkpoint_header(files, folder + "/weights/" + checkpoint_name(step)).metadata;
    } catch (const Error&) {
      // Damaged; the one before says the same about plan and data.
    }
  }
  return {};
}

std::string entry_of(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

}  // namespace

std::vector<NumberedJson> read_json_lines(const std::string& path, std::string_view word) {
  std::ifstream in(path, std::ios::binary);
  std::vector<NumberedJson> out;
  std::string line;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (in.eof()) break;  // no end of line
    if (!word.empty() && line.find(word) == std::string::npos) continue;
    auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) broken(path, number, "not a JSON object");
    out.push_back({number, std::move(json)});
  }
  return out;
}

std::optional<double> ValidationRecord::metric(const std::string& name) const {
  const auto found = metrics.find(name);
  return found == metrics.end() ? std::nullopt : std::optional(found->second);
}

std::int64_t best_index(const std::vector<ValidationRecord>& records, const std::string& metric) {
  const bool lower = lower_is_better(metric);
  std::int64_t best = -1;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto value = records[i].metric(metric);
    if (!value) continue;
    if (best >= 0) {
      const double before = *records[static_cast<std::size_t>(best)].metric(metric);
      if (lower ? *value >= before : *value <= before) continue;
    }
    best = static_cast<std::int64_t>(i);
  }
  return best;
}

const ValidationRecord* RunHistory::best() const {
  const std::int64_t at = best_index(validations, resolved.plan.stop.metric);
  return at < 0 ? nullptr : &validations[static_cast<std::size_t>(at)];
}

const ValidationRecord* RunHistory::of_epoch(std::int64_t epoch) const {
  for (const ValidationRecord& v : validations)
    if (v.epoch == epoch) return &v;
  return nullptr;
}

RunHistory read_run_history(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw_fault("KT-CMP-001", "{}: no such folder; wanted the folder of a run, such as runs/plan_a",
                printable(folder, 200));
  for (const char* const name : {"run.cfg", "scalars.jsonl"})
    if (!fs::is_regular_file(folder + "/" + name, error))
      throw_fault("KT-CMP-001", "{}: is not the folder of a run: it has no {}",
                  printable(folder, 200), name);
  RunHistory out;
  out.folder = folder;
  out.resolved = load_plan(folder + "/run.cfg");
  out.resolved.name = fs::path(folder).lexically_normal().filename().string();
  const std::string scalars = folder + "/scalars.jsonl";
  for (const NumberedJson& record : read_json_lines(scalars, "\"validation\""))
    if (record.json.value("kind", "") == "validation")
      out.validations.push_back(validation_of(record, scalars));
  const Metadata metadata = newest_metadata(folder);
  out.ended = entry_of(metadata, "ended");
  out.train_hash = entry_of(metadata, "data.train");
  out.val_hash = entry_of(metadata, "data.val");
  return out;
}

}  // namespace ktrain
