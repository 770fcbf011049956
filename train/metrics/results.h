// Detections in and out of files. Nothing is skipped: a line that cannot be understood, an image
// that does not exist, a missing file of a folder are Faults KT-EVAL-002 and -003 with file and
// line.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "train/metrics/annotations.h"
#include "train/metrics/detection.h"

namespace ktrain::metrics {

enum class ResultsFormat {
  kKaist,   // lines "image,x,y,w,h,score", images from 1 in the order of the annotation
  kMatlab,  // the same in NAME-test-all.txt, or NAME-test-day.txt with NAME-test-night.txt, where
            // numbers begin again; x and y are one too large
  kFolder,  // a file "set06_V000_I00019.txt" per image, lines "person x1 y1 x2 y2 score"
  kCoco,    // JSON array of {image_id, category_id, bbox, score}
};

struct Results {
  ResultsFormat format = ResultsFormat::kKaist;
  std::vector<Detections> images = {};  // parallel to the annotation's
  std::int64_t boxes = 0;
  std::int64_t images_with_boxes = 0;
  double lowest_score = 0, highest_score = 0;  // 0 without boxes
};

// Which format `path` holds: a folder, ".json", a name ending in -test-{all,day,night}.txt, or else
// KAIST lines.
[[nodiscard]] ResultsFormat guess_format(const std::filesystem::path& path);
[[nodiscard]] const char* format_name(ResultsFormat format);

// Detections of text files carry the class "person". Throws Fault.
[[nodiscard]] Results read_results(const std::filesystem::path& path,
                                   const Annotations& annotations);

// The parsers from memory, for one file; `path` is what messages name. `first` is the image that
// number 1 stands for, `count` how many numbers there are.
void parse_kaist_lines(std::string_view text, const std::string& path, std::size_t first,
                       std::size_t count, Box shift, int label, std::vector<Detections>& images);
void parse_image_lines(std::string_view text, const std::string& path, int label,
                       Detections& detections);
void parse_coco_results(std::string_view text, const std::string& path,
                        const Annotations& annotations, std::vector<Detections>& images);

// "%d,%.4f,%.4f,%.4f,%.4f,%.8f", images from 1: what KAIST's evaluation server and MLPD read.
void write_kaist_results(const std::filesystem::path& path, std::span<const Detections> images);
// `image_ids` and `category_ids` as JSON text (17 or "010001"), the latter by label.
void write_coco_results(const std::filesystem::path& path, std::span<const Detections> images,
                        std::span<const std::string> image_ids,
                        std::span<const std::string> category_ids);

}  // namespace ktrain::metrics
