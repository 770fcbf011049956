// `ktrain synth`: makes the built-in data set and shows what is in it.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "data/synth/synth.h"

namespace ktrain {

struct SynthOptions {
  std::filesystem::path root;
  SynthSpec spec;
  int threads = 0;              // 0: every core
  std::filesystem::path sheet;  // a picture of some pairs, .png or .jpg; empty: none
};

// Makes the set if it is not there, then reads it back through the reader of the training run and
// writes what that found. Throws Fault.
int run_synth(const SynthOptions& options, std::ostream& out);

}  // namespace ktrain
