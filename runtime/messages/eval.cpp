#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-EVAL-001", Exit::kData, "an annotation file of an evaluation is malformed",
     "The file must be COCO-like JSON: images (id, file_name or im_name), categories (id, name), "
     "annotations (image_id, category_id, bbox = x, y, width, height). The message names the entry "
     "and what is wrong with it; an entry is never skipped, because every later score would "
     "silently be about other data."},
    {"KT-EVAL-002", Exit::kData, "a results file is malformed",
     "KAIST results are lines 'image,x,y,w,h,score' with images counted from 1; COCO results are a "
     "JSON array of {image_id, category_id, bbox, score}; a folder of results holds one file per "
     "image with lines 'person x1 y1 x2 y2 score'. The message names file and line."},
    {"KT-EVAL-003", Exit::kData, "results do not belong to the annotations",
     "A detection names an image or a category that the annotation file does not have, or an image "
     "has no file in a folder of results. Scores over a part of the images are not comparable with "
     "anything, so nothing was computed."},
    {"KT-EVAL-004", Exit::kUsage, "an evaluation option is wrong",
     "Known protocols are kaist, voc and coco. `--compat mlpd` exists for kaist alone, and the "
     "kaist protocol needs a category named 'person'."},
    {"KT-EVAL-005", Exit::kNoInput, "a file of an evaluation cannot be read",
     "The path given with --annotations or --results does not exist, is a folder where a file was "
     "expected, or may not be read."},
});

}  // namespace

std::span<const Message> eval_messages() { return kMessages; }

}  // namespace ktrain
