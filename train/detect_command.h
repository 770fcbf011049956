// `ktrain detect`: what a trained detector finds, as pictures and as numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace ktrain {

struct DetectOptions {
  std::string run;                     // a run folder: run.cfg and weights/
  std::string take = "best";           // which of its checkpoints: best, last, epoch_N
  std::vector<std::string> overrides;  // key=value: data.root, data.val, eval.score_threshold ...
  std::string role = "val";            // which list of the plan: train, val, test
  std::int64_t limit = 8;              // pairs; 0 for the whole list
  double score = 0.3;                  // boxes below it are not drawn
  std::filesystem::path visible, thermal;  // one pair of image files in place of a list
  std::filesystem::path out;               // a folder; "" for <run>/detect
};

// Writes NAME.png for each pair, visible and thermal side by side, found boxes with scores in
// green, annotated ones in white, ignored regions in grey; and detections.json, COCO's form with
// the pair's id as image_id. Returns 0. Throws Fault.
int run_detect(const DetectOptions& options, std::ostream& out);

}  // namespace ktrain
