// The folder of one run:
//   run.cfg        every key with its value and where it was set
//   env.txt        program, machine, threads
//   train.log      what the console showed, with the time
//   scalars.jsonl  one JSON object per logged step and per validation
//   monitor.jsonl  one JSON object per measurement of the monitors, in the order of steps
//   results.csv    one line per validation
//   STATUS         one JSON object, replaced in one step
//   report.txt     what the run came to, once it has ended
//   weights/       checkpoints (train/checkpoint.h)
//   tb/            event files for TensorBoard (train/run_events.h)
//   val/epoch_NN/  tables, scores and detections of a validation
// One run at a time holds it. Records of steps that a resumed run repeats are taken out first.
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "train/file_system.h"
#include "train/folder_lock.h"

namespace ktrain {

class RunFolder {
 public:
  // Makes and locks it. Throws Fault KT-IO-011, -012.
  RunFolder(FileSystem& files, const std::string& path, const Notice& notice);

  [[nodiscard]] const std::string& path() const { return lock_.folder(); }
  [[nodiscard]] const FolderLock& lock() const { return lock_; }

  // Replaces a small file in one step; `name` may lie in folders beneath, which are made. Throws
  // Fault KT-IO-001.
  void write(const std::string& name, const std::string& text);
  // "" when there is no such file.
  [[nodiscard]] std::string read(const std::string& name) const;

  // Logs are worth less than the run: a line that cannot be written is counted, and the run goes
  // on.
  void log(const std::string& text);
  void scalar(const std::string& json);
  // Somebody else who wants every line that scalar() is given from now on.
  void listen(std::function<void(const std::string& json)> listener) {
    listener_ = std::move(listener);
  }
  void monitor(const std::string& json);
  // The header is written with the first line.
  void result(const std::string& header, const std::string& line);
  [[nodiscard]] std::int64_t lost_lines() const { return lost_lines_; }

  // Takes records of steps after `step`, and of validations after `validated_step`, out of
  // scalars.jsonl, monitor.jsonl and results.csv (whose second column is the step), and what a
  // killed process left of a last line. Returns how many lines went.
  std::int64_t cut_after(std::int64_t step, std::int64_t validated_step);

 private:
  void append(std::ofstream& stream, const std::string& name, const std::string& text);

  FileSystem& files_;
  FolderLock lock_;
  std::ofstream log_, scalars_, monitor_, results_;
  std::function<void(const std::string&)> listener_;
  std::int64_t lost_lines_ = 0;
};

// Moves a run folder out of the way, to `path`.1, .2, ...: the first name that is free. Returns the
// new name, "" when there was nothing. Throws Fault KT-IO-012.
std::string archive_run_folder(FileSystem& files, const std::string& path);

}  // namespace ktrain
