#include "train/run_folder.h"

#include <charconv>
#include <filesystem>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/read_text.h"
#include "train/utc_time.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
const std::string kScalars = "scalars.jsonl", kMonitor = "monitor.jsonl", kResults = "results.csv",
                  kLog = "train.log";

// Complete lines of a text; what follows the last line's end is not one.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  return lines;
}

struct RecordPlace {
  std::int64_t step = -1;  // -1: the line is no record
  bool validation = false;
};

RecordPlace place_of_json(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return {};
  return {json["step"].get<std::int64_t>(), json.value("kind", "") == "validation"};
}

RecordPlace place_of_csv(const std::string& line) {
  const std::size_t comma = line.find(',');
  RecordPlace place{.validation = true};
  if (comma != std::string::npos)
    std::from_chars(line.data() + comma + 1, line.data() + line.size(), place.step);
  return place;
}

}  // namespace

RunFolder::RunFolder(FileSystem& files, const std::string& path, const Notice& notice)
    : files_(files), lock_(files, path, notice) {}

void RunFolder::write(const std::string& name, const std::string& text) {
  const std::string target = path() + "/" + name, temporary = target + ".tmp";
  try {
    make_durable_folder(files_, fs::path(target).parent_path().string());
    try_remove(files_, temporary);
    OpenFile file(files_, files_.create(temporary));
    file.write(text.data(), text.size());
    files_.sync(file.get());
    file.close();
    files_.rename_over(temporary, target);
  } catch (const IoError& error) {
    try_remove(files_, temporary);
    throw_fault("KT-IO-001", "{}: {}; make room or set another output.dir", target, error.what());
  }
}

std::string RunFolder::read(const std::string& name) const {
  return read_text(path() + "/" + name);
}

void RunFolder::append(std::ofstream& stream, const std::string& name, const std::string& text) {
  if (!stream.is_open()) stream.open(path() + "/" + name, std::ios::app | std::ios::binary);
  stream << text << '\n' << std::flush;
  if (stream) return;
  ++lost_lines_;
  stream.close();
  stream.clear();
}

void RunFolder::log(const std::string& text) {
  const std::string time = utc_now();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) append(log_, kLog, time + "  " + line);
}

void RunFolder::scalar(const std::string& json) {
  append(scalars_, kScalars, json);
  if (listener_) listener_(json);
}

void RunFolder::monitor(const std::string& json) {
  append(monitor_, kMonitor, json);
  if (listener_) listener_(json);
}

void RunFolder::result(const std::string& header, const std::string& line) {
  std::error_code missing;
  if (!results_.is_open() && !fs::exists(path() + "/" + kResults, missing))
    append(results_, kResults, header);
  append(results_, kResults, line);
}

std::int64_t RunFolder::cut_after(std::int64_t step, std::int64_t validated_step) {
  std::int64_t cut = 0;
  const auto keep = [&](const std::string& name, std::size_t heading, auto&& place_of) {
    const std::string text = read(name);
    const std::vector<std::string> lines = lines_of(text);
    std::string kept;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const RecordPlace place = i < heading ? RecordPlace{.step = 0} : place_of(lines[i]);
      if (place.step >= 0 && place.step <= (place.validation ? validated_step : step))
        kept += lines[i] + "\n";
      else
        ++cut;
    }
    if (!text.empty() && text.back() != '\n') ++cut;
    if (kept != text) write(name, kept);
  };
  scalars_.close();
  monitor_.close();
  results_.close();
  keep(kScalars, 0, place_of_json);
  keep(kMonitor, 0, place_of_json);
  keep(kResults, 1, place_of_csv);
  return cut;
}

std::string archive_run_folder(FileSystem& files, const std::string& path) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return "";
  // Held for a moment: a run that is going on must not lose its folder.
  { const FolderLock lock(files, path); }
  for (int n = 1; n < 10000; ++n) {
    const std::string name = fmt::format("{}.{}", path, n);
    try {
      files.rename_new(path, name);
      return name;
    } catch (const IoError& failed) {
      if (failed.code() == EEXIST || failed.code() == ENOTEMPTY) continue;
      throw_fault("KT-IO-012", "{}: cannot be moved out of the way: {}", path, failed.what());
    }
  }
  throw_fault("KT-IO-012", "{}.1 to {}.9999 are all taken; move some away", path, path);
}

}  // namespace ktrain
