// make_seeds FOLDER: one folder of good inputs per fuzz target, to start from.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/checkpoint_fixture.h"
#include "tests/support/data.h"
#include "tests/support/probe.h"
#include "tests/support/simulated_disk.h"
#include "train/checkpoint_file.h"
#include "train/monitor/probe_json.h"
#include "train/plan_text.h"

namespace ktrain {
namespace {

class Seeds {
 public:
  explicit Seeds(std::filesystem::path root) : root_(std::move(root)) {}
  void add(const std::string& target, const std::string& content) {
    const auto folder = root_ / target;
    std::filesystem::create_directories(folder);
    std::ofstream file(folder / ("seed" + std::to_string(count_++)), std::ios::binary);
    if (!(file << content).flush()) throw Error("cannot write below " + root_.string());
  }
  void add(const std::string& target, const test::Bytes& bytes) {
    add(target, std::string(bytes.begin(), bytes.end()));
  }

 private:
  std::filesystem::path root_;
  int count_ = 0;
};

void write_seeds(Seeds& seeds) {
  seeds.add("bbgt_fuzz", "% bbGt version=3\nperson 512 208 24 58 0 0 0 0 0 0 0\n");
  seeds.add("bbgt_fuzz", "% bbGt version=0\npeople 1 2 3 4 1 0 0 0 0\n");
  seeds.add("sanitized_fuzz", "person 101 52.5 130 110\nignore 1 1 20 20\n");
  const std::string xml = "<annotation><size><width>64</width><height>48</height></size><object>";
  seeds.add("voc_xml_fuzz", xml +
                                "<name>person</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9"
                                "</xmax><ymax>9</ymax></bndbox></object></annotation>");
  seeds.add("voc_xml_fuzz", xml +
                                "<name>a</name><occlusion>1</occlusion><bndbox><x>1</x><y>2</y><w>"
                                "9</w><h>9</h></bndbox></object></annotation>");
  const std::string coco =
      R"({"images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}], "annotations": )"
      R"([{"id": 0, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40.5], "iscrowd": 0}], )"
      R"("categories": [{"id": 1, "name": "person"}]})";
  seeds.add("coco_json_fuzz", coco);
  seeds.add("image_fuzz", encode_jpeg(test::gradient_image(16, 24)));
  seeds.add("image_fuzz", test::progressive_jpeg(16, 16));
  seeds.add("image_fuzz", test::grey_jpeg(16, 16));
  seeds.add("image_fuzz", encode_png(test::gradient_image(9, 7)));
  seeds.add("image_fuzz", test::grey_png(8, 8));
  seeds.add("image_fuzz", test::encode_bmp(test::gradient_image(5, 7)));
  seeds.add("plan_fuzz", canonical_text(Plan{}));
  seeds.add("plan_fuzz", "[loss]\nroi_cls.weight = {at = [0, 1.5], value = [0, 0.3]}\n");
  seeds.add("monitor_log_fuzz", to_json(test::full_record(2, 1, 1)) + "\n");
  seeds.add("monitor_log_fuzz", to_json(test::full_record(6, 4, 2)) + "\n");
  seeds.add("results_fuzz", "01,11.5,21,30,40,0.9\n2,12,22,30,40,0.8\n");
  seeds.add("results_fuzz", "1person 10 20 40 60 0.9\n");
  seeds.add("results_fuzz",
            R"(2[{"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])");
  seeds.add("results_fuzz", "3" + coco);
  test::SimulatedDisk disk;
  const test::StepArrays step(3);
  (void)write_checkpoint_file(disk, "x", step.arrays(), {{"ktrain.step", "3"}});
  seeds.add("checkpoint_fuzz", disk.content("x"));
  seeds.add("safetensors_fuzz", disk.content("x"));
}

}  // namespace
}  // namespace ktrain

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: make_seeds FOLDER\n", stderr);
    return 64;
  }
  ktrain::Seeds seeds(arguments[1]);
  ktrain::write_seeds(seeds);
  return 0;
}
