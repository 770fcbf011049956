// A run that takes a second: eight training pairs of 64x64, a detector of a few thousand weights.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "data/synth/synth.h"
#include "runtime/fault.h"
#include "tests/support/temporary_folder.h"
#include "train/checkpoint_file.h"
#include "train/file_system.h"
#include "train/run_command.h"

namespace ktrain::test {

// Three epochs of four steps. Pedestrians of 64x64 scenes are small, so anchors are too.
inline std::string tiny_plan_text(const std::string& data) {
  return "[data]\npreset = \"synth\"\nroot = \"" + data + "\"\nsize = [64, 64]\n" +
         R"(synth = { train_pairs = 8, val_pairs = 3, size = [64, 64], empty = 0.0, seed = 5 }
workers = 1
[model]
depth = 18
width = 0.0625
fpn_channels = 16
frozen_stages = 0
norm = "batch"
anchor_scale = 2.0
rpn = { nms_pre = 50, nms_pre_test = 50, max_proposals = 30, samples = 32 }
roi = { samples = 16, fc_channels = 16, pool = 3 }
[optimizer]
lr = 1e-3
clip = 5.0
[train]
epochs = 3
batch = 2
[output]
log_every = 2
)";
}

class TinyRun {
 public:
  TinyRun() { write("tiny.cfg", tiny_plan_text(data())); }

  [[nodiscard]] std::string data() const { return folder_ / "data"; }
  [[nodiscard]] std::string runs() const { return folder_ / "runs"; }
  [[nodiscard]] std::string plan() const { return folder_ / "tiny.cfg"; }
  [[nodiscard]] std::string run_folder(const std::string& name = "tiny") const {
    return runs() + "/" + name;
  }
  void write(const std::string& name, const std::string& text) const {
    write_text(folder_ / name, text);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    return read_text(run_folder() + "/" + name);
  }

  [[nodiscard]] RunCommand command(const std::vector<std::string>& overrides = {}) const {
    RunCommand command;
    command.plan = plan();
    command.runs = runs();
    command.overrides = overrides;
    return command;
  }
  // The exit code; what was said is in output().
  int run(const RunCommand& command) {
    std::ostringstream out;
    const int code = run_plan(command, out);
    output_ = out.str();
    return code;
  }
  int train(const std::vector<std::string>& overrides = {}) { return run(command(overrides)); }
  [[nodiscard]] const std::string& output() const { return output_; }

  // Hash of everything in the newest checkpoint: weights, optimizer, average.
  [[nodiscard]] static std::string state_hash(const std::string& run_folder, std::int64_t step) {
    const std::string path = run_folder + "/weights/" + step_name(step);
    return read_checkpoint_file(real_file_system(), path).payload_hash();
  }
  [[nodiscard]] static std::string step_name(std::int64_t step) {
    std::string digits = std::to_string(step);
    return "step_" + std::string(8 - digits.size(), '0') + digits + ".safetensors";
  }

 private:
  TemporaryFolder folder_;
  std::string output_;
};

}  // namespace ktrain::test
