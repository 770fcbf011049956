// `ktrain eval`: scores a results file against an annotation file.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>

namespace ktrain {

struct EvalOptions {
  std::string protocol = "kaist";          // kaist, voc or coco
  std::filesystem::path annotations = {};  // COCO-like JSON
  std::filesystem::path results = {};      // KAIST text, MATLAB text, a folder of files, COCO JSON
  bool json = false;                       // one JSON object instead of text
  std::string compat = {};                 // "mlpd": kaist by the rule of MLPD's Python script
};

// Writes the scores to `out` and returns the exit code, 0. Throws Fault (KT-EVAL-*).
int run_eval(const EvalOptions& options, std::ostream& out);

}  // namespace ktrain
