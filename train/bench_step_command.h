// `ktrain bench-step`: times one training step of the detector on made-up images.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace ktrain {

struct BenchStepOptions {
  std::string size = "640x512";  // width x height, multiples of 32
  int depth = 50;
  double width = 1.0;             // factor on the backbone's channels
  std::int64_t channels = 256;    // of the pyramid
  std::int64_t proposals = 1000;  // of an image
  std::int64_t rois = 512;        // of an image, that a step trains on
  std::int64_t fc_channels = 1024;
  std::string device = "cpu";       // auto, cpu, cuda
  std::string streams = "both";     // both, visible, thermal
  std::string norm = "frozen";      // frozen, batch
  std::string precision = "float";  // float, tf32, bf16: as train.precision
  std::int64_t batch = 2;           // image pairs
  std::int64_t boxes = 6;           // of an image
  int threads = 0;                  // 0: every core
  int steps = 5, warmup = 2;        // timed, and before those
  bool parts = true;                // as many steps again, timed by part of the model
  bool json = false;                // one JSON object instead of text
};

// On a GPU the steps are given to it one after the other, as in training, and their time is that of
// all by their number; three warm-up steps at least, since the first two are not in a graph yet;
// and there is no table of parts.
//
// Runs `warmup` steps, then times `steps`, then, with `parts`, as many under the profile, whose
// clocks the first count is thus free of. Images and boxes are functions of a fixed seed. Writes
// what was measured to `out` and returns 0. Throws Fault KT-CLI-001 for options that make no step.
int run_bench_step(const BenchStepOptions& options, std::ostream& out);

}  // namespace ktrain
