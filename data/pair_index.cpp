#include "data/pair_index.h"

#include <algorithm>
#include <cmath>

#include "data/image_io.h"
#include "data/text_lines.h"
#include "runtime/fault.h"
#include "runtime/sha256.h"

namespace ktrain {
namespace {

constexpr std::int64_t kHeadBytes = 256 << 10;  // where an image's header must end
constexpr std::int64_t kListBytes = 64 << 20;

// What a listed name stands for on disk.
struct PairFiles {
  std::string id, visible, thermal, annotation, group;
};

PairFiles llvip_files(const std::string& split, std::string_view stem) {
  const std::string name(stem);
  return {name, "visible/" + split + "/" + name + ".jpg", "infrared/" + split + "/" + name + ".jpg",
          "Annotations/" + name + ".xml", name.substr(0, 2)};
}

// The first of the extensions that is there; the first one when none is.
std::string with_extension(const DataFolder& folder, const std::string& stem,
                           std::initializer_list<const char*> extensions) {
  for (const char* const extension : extensions)
    if (folder.has_file(stem + extension)) return stem + extension;
  return stem + *extensions.begin();
}

PairFiles kaist_files(const DataFolder& folder, std::string_view id) {
  const std::size_t slash = id.rfind('/');
  const std::string video(id.substr(0, slash)), frame(id.substr(slash + 1));
  const std::string images = "images/" + video + "/";
  return {std::string(id), with_extension(folder, images + "visible/" + frame, {".jpg", ".png"}),
          with_extension(folder, images + "lwir/" + frame, {".jpg", ".png"}),
          with_extension(folder, "annotations/" + std::string(id), {".txt", ".xml"}), video};
}

std::vector<PairFiles> list_files(const DataFolder& folder, const PairSource& source) {
  std::vector<PairFiles> all;
  if (source.layout == "llvip") {
    check_relative_path(source.list, "data list");
    for (const std::string& name : folder.names("visible/" + source.list))
      if (name.ends_with(".jpg"))
        all.push_back(llvip_files(source.list, name.substr(0, name.size() - 4)));
    return all;
  }
  KT_CHECK(source.layout == "kaist", "read_pairs: layout '{}' is unknown", source.layout);
  check_relative_path(source.list, "data list");
  const std::string path = "imageSets/" + source.list + ".txt";
  for_each_line(folder.read_text(path, kListBytes), [&](std::string_view line, int number) {
    const std::string_view id = trimmed(line);
    if (id.empty()) return;
    const std::string place = fmt::format("{}:{}", folder.shown(path), number);
    check_relative_path(id, place);
    if (std::count(id.begin(), id.end(), '/') != 2)
      throw_fault("KT-DATA-009", "{}: found '{}', wanted setSS/VVVV/INNNNN", place, printable(id));
    all.push_back(kaist_files(folder, id));
  });
  return all;
}

class PairReader {
 public:
  PairReader(const DataFolder& folder, const PairSource& source, bool whole_images)
      : folder_(folder), source_(source), whole_images_(whole_images) {}

  void read(const PairFiles& files, PairReport& report) {
    const std::size_t before = report.problems.size();
    Pair pair = {files.id, files.visible, files.thermal, files.annotation, files.group, 0, 0, {}};
    collect(report, [&] { check_partners(files, report); });
    if (report.problems.size() == before) collect(report, [&] { read_images(pair, report); });
    if (report.problems.size() == before) collect(report, [&] { read_boxes(pair, report); });
    if (report.problems.size() != before) return;
    report.empty += std::none_of(pair.boxes.begin(), pair.boxes.end(),
                                 [](const PairBox& box) { return !box.ignore; });
    if (!report.index.add(std::move(pair)))
      report.problems.push_back({"KT-DATA-015", fmt::format("{}: listed twice", files.id)});
  }

 private:
  // A Fault of `work` becomes a line of the report.
  template <class Work>
  void collect(PairReport& report, Work&& work) {
    try {
      work();
    } catch (const Fault& fault) {
      const std::string text = fault.what();
      report.problems.push_back({fault.id(), text.substr(fault.id().size() + 2)});
    }
  }

  void check_partners(const PairFiles& files, PairReport& report) const {
    for (const auto& [what, path] :
         {std::pair{"visible image", &files.visible}, std::pair{"thermal image", &files.thermal},
          std::pair{"annotation", &files.annotation}})
      if (!folder_.has_file(*path))
        report.problems.push_back(
            {"KT-DATA-011",
             fmt::format("{}: the {} is missing ({})", files.id, what, folder_.shown(*path))});
  }

  ImageInfo read_header(const std::string& path) {
    const std::string shown = folder_.shown(path);
    if (whole_images_) {
      folder_.read(path, ImageLimits{}.max_file_bytes, bytes_);
      check_image_complete({shown, bytes_});
      return image_info({shown, bytes_});
    }
    folder_.read_ends(path, kHeadBytes, 0, bytes_, tail_);
    return image_info({shown, bytes_});
  }

  void read_images(Pair& pair, PairReport& report) {
    const ImageInfo visible = read_header(pair.visible), thermal = read_header(pair.thermal);
    pair.width = visible.width;
    pair.height = visible.height;
    if (visible.width != thermal.width || visible.height != thermal.height)
      report.problems.push_back(
          {"KT-DATA-012", fmt::format("{}: visible is {}x{}, thermal {}x{}", pair.id, visible.width,
                                      visible.height, thermal.width, thermal.height)});
  }

  void read_boxes(Pair& pair, PairReport& report) {
    const std::string shown = folder_.shown(pair.annotation);
    const std::string text = folder_.read_text(pair.annotation, 16 << 20);
    const AnnotationFile file = parse_annotation({shown, text});
    if (file.width != 0 && (file.width != pair.width || file.height != pair.height))
      report.problems.push_back(
          {"KT-DATA-012", fmt::format("{}: annotated size {}x{}, image {}x{}", shown, file.width,
                                      file.height, pair.width, pair.height)});
    for (const AnnotatedObject& object : file.objects) {
      ++report.labels[object.label];
      add_box(pair, object, fmt::format("{}:{}", shown, object.line), report);
    }
  }

  void add_box(Pair& pair, const AnnotatedObject& object, const std::string& place,
               PairReport& report) const {
    const auto listed = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), object.label) != names.end();
    };
    const bool positive = listed(source_.labels.positive);
    if (!positive && !listed(source_.labels.ignore)) {
      report.problems.push_back(
          {"KT-DATA-013", fmt::format("{}: unknown class '{}'", place, printable(object.label))});
      return;
    }
    PairBox box;
    box.ignore = !positive || object.ignore;
    box.occlusion = object.occlusion;
    const std::array<double, 4> limits = {
        static_cast<double>(pair.width), static_cast<double>(pair.height),
        static_cast<double>(pair.width), static_cast<double>(pair.height)};
    bool finite = true, moved = false;
    for (std::size_t i = 0; i < 4; ++i) {
      const double value = object.box[i] - source_.origin;
      finite = finite && std::isfinite(value);
      box.box[i] = finite ? std::clamp(value, 0.0, limits[i]) : 0.0;
      moved = moved || box.box[i] != value;
    }
    if (!finite || box.box[2] <= box.box[0] || box.box[3] <= box.box[1]) {
      report.problems.push_back(
          {"KT-DATA-014", fmt::format("{}: '{}' has the corners {} {} {} {} in an image of {}x{}",
                                      place, printable(object.label), object.box[0], object.box[1],
                                      object.box[2], object.box[3], pair.width, pair.height)});
      return;
    }
    report.clipped += moved;
    ++(box.ignore ? report.ignored : report.positive);
    pair.boxes.push_back(box);
  }

  const DataFolder& folder_;
  const PairSource& source_;
  bool whole_images_;
  std::vector<std::uint8_t> bytes_, tail_;
};

}  // namespace

std::int64_t PairIndex::find(const std::string& id) const {
  const auto found = positions_.find(id);
  return found == positions_.end() ? -1 : found->second;
}

bool PairIndex::add(Pair pair) {
  if (!positions_.emplace(pair.id, size()).second) return false;
  pairs_.push_back(std::move(pair));
  return true;
}

std::string PairIndex::manifest_hash() const {
  std::string text;
  for (const Pair& pair : pairs_) {
    text += fmt::format("{} {} {}", pair.id, pair.width, pair.height);
    for (const PairBox& box : pair.boxes)
      text += fmt::format(" [{} {} {} {} {} {}]", box.box[0], box.box[1], box.box[2], box.box[3],
                          box.ignore, box.occlusion);
    text += '\n';
  }
  return sha256_hex(text);
}

PairReport read_pairs(const DataFolder& folder, const PairSource& source, bool whole_images) {
  PairReport report;
  PairReader reader(folder, source, whole_images);
  for (const PairFiles& files : list_files(folder, source)) {
    ++report.listed;
    reader.read(files, report);
  }
  if (report.problems.empty() && report.positive == 0)
    report.problems.push_back(
        {"KT-DATA-016", fmt::format("{}: list '{}' names {} pairs, none with a positive box",
                                    folder.root().string(), source.list, report.listed)});
  return report;
}

PairIndex require_pairs(PairReport report, const DataFolder& folder) {
  if (report.problems.empty()) return std::move(report.index);
  const DataProblem& first = report.problems.front();
  throw_fault(first.id, "{}; {} more problems in {} pairs; `ktrain check {}` lists all", first.text,
              report.problems.size() - 1, report.listed, folder.root().string());
}

}  // namespace ktrain
