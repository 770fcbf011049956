// One event file of TensorBoard: what one process has to say about a run.
//
// TensorBoard reads the files of a folder in the order of their names and leaves a file for good
// once there is a later one. A process therefore writes a file of its own, named later than all
// that are there; records of steps that it repeats are taken back by its first record.
#pragma once

#include <cstdint>
#include <fstream>
#include <span>
#include <string>

#include "data/image_io.h"
#include "train/event_record.h"
#include "train/folder_lock.h"

namespace ktrain {

class EventFile {
 public:
  // Makes `folder` and, in it, events.out.tfevents.<seconds>.<host>.<process>. Records of earlier
  // files from `first_step` on are taken back. Nothing here throws for what the disk refuses:
  // curves are worth less than the run, which goes on after one notice.
  EventFile(const std::string& folder, std::int64_t first_step, const Notice& notice);

  void scalars(std::int64_t step, std::span<const EventScalar> scalars);
  // As a JPEG.
  void image(std::int64_t step, const std::string& tag, const Image& image);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void append(const std::string& record);

  std::string path_;
  std::ofstream stream_;
  Notice notice_;
  bool failed_ = false;
};

}  // namespace ktrain
