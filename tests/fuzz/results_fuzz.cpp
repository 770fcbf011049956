// Any bytes as a results file: detections or a Fault. The first byte chooses the format.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/fault.h"
#include "train/metrics/results.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrain::metrics;
  if (size == 0) return 0;
  static const Annotations truth = parse_annotations(
      R"({"images": [{"id": 0, "im_name": "a"}, {"id": 1, "im_name": "b"}], "annotations": [],)"
      R"( "categories": [{"id": 1, "name": "person"}]})",
      "a.json");
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  std::vector<Detections> images(2);
  try {
    if (data[0] == '0')
      parse_kaist_lines(text, "r", 0, 2, Box{}, 0, images);
    else if (data[0] == '1')
      parse_image_lines(text, "r", 0, images[0]);
    else if (data[0] == '2')
      parse_coco_results(text, "r", truth, images);
    else
      (void)parse_annotations(text, "a");
  } catch (const ktrain::Fault&) {
  }
  return 0;
}
