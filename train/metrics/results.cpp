#include "train/metrics/results.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/metrics/kaist.h"
#include "train/metrics/text_file.h"

namespace ktrain::metrics {
namespace {

namespace fs = std::filesystem;

// The fields of one line, with the place for messages.
class Line {
 public:
  Line(std::string_view text, char separator, const std::string& path, std::size_t number)
      : path_(path), number_(number) {
    while (true) {
      if (separator == ' ') text = trim(text);
      const std::size_t end = std::min(text.find(separator), text.size());
      fields_.push_back(trim(text.substr(0, end)));
      if (end == text.size()) break;
      text.remove_prefix(end + 1);
    }
  }

  static std::string_view trim(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
  }

  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] std::string_view text(std::size_t field) const { return fields_[field]; }

  [[noreturn]] void wrong(std::string_view id, const std::string& what) const {
    throw_fault(id, "{}:{}: {}", path_, number_, what);
  }

  [[nodiscard]] double number(std::size_t field, const char* name) const {
    const std::string_view text = fields_[field];
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
      wrong("KT-EVAL-002", fmt::format("field {} ({}) is '{}', a finite number was expected",
                                       field + 1, name, printable(text, 24)));
    return value;
  }

 private:
  std::vector<std::string_view> fields_;
  const std::string& path_;
  std::size_t number_;
};

template <class Body>
void for_each_line(std::string_view text, char separator, const std::string& path, Body&& body) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!Line::trim(line).empty()) body(Line(line, separator, path, number));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Detection make_detection(const Line& line, Box box, double score, int label) {
  if (box.w < 0 || box.h < 0)
    line.wrong("KT-EVAL-002",
               fmt::format("width {}, height {}: a size cannot be negative", box.w, box.h));
  return {.box = box, .score = score, .label = label};
}

int person_class(const Annotations& annotations) {
  const int label = annotations.find_class("person");
  if (label < 0)
    throw_fault("KT-EVAL-004",
                "{}: no category is named 'person', which text results stand for; use COCO JSON "
                "results for other classes",
                printable(annotations.name));
  return label;
}

void read_matlab(const fs::path& path, const Annotations& annotations, int label,
                 std::vector<Detections>& images) {
  constexpr Box kOneBased = {.x = -1, .y = -1};
  const std::string text = path.string();
  if (text.ends_with("-test-all.txt"))
    return parse_kaist_lines(read_text(path), text, 0, images.size(), kOneBased, label, images);
  std::size_t day = 0;
  for (const ImageTruth& image : annotations.images)
    day += in_subset(image.name, KaistSubset::kDay);
  const std::string stem = text.substr(0, text.rfind("-test-"));
  const std::string first = stem + "-test-day.txt", second = stem + "-test-night.txt";
  parse_kaist_lines(read_text(first), first, 0, day, kOneBased, label, images);
  parse_kaist_lines(read_text(second), second, day, images.size() - day, kOneBased, label, images);
}

void read_folder(const fs::path& folder, const Annotations& annotations, int label,
                 std::vector<Detections>& images) {
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < images.size(); ++i) {
    std::string name = annotations.images[i].name;
    std::replace(name.begin(), name.end(), '/', '_');
    const fs::path path = folder / (name + ".txt");
    if (fs::exists(path))
      parse_image_lines(read_text(path), path.string(), label, images[i]);
    else
      missing.push_back(path.filename().string());
  }
  if (!missing.empty())
    throw_fault("KT-EVAL-003", "{}: {} of {} images have no file, the first is {}", folder.string(),
                missing.size(), images.size(), printable(missing.front()));
}

const char* const kCocoShape = "an object {image_id, category_id, bbox: [x, y, w, h], score}";

std::string id_text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string id_key(const std::string& json_text) {
  return json_text.size() >= 2 && json_text.front() == '"'
             ? json_text.substr(1, json_text.size() - 2)
             : json_text;
}

}  // namespace

ResultsFormat guess_format(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return ResultsFormat::kFolder;
  if (path.extension() == ".json") return ResultsFormat::kCoco;
  const std::string name = path.filename().string();
  for (const char* end : {"-test-all.txt", "-test-day.txt", "-test-night.txt"})
    if (name.ends_with(end)) return ResultsFormat::kMatlab;
  return ResultsFormat::kKaist;
}

const char* format_name(ResultsFormat format) {
  switch (format) {
    case ResultsFormat::kMatlab:
      return "MATLAB text, 1 subtracted from x and y";
    case ResultsFormat::kFolder:
      return "a file per image, corners";
    case ResultsFormat::kCoco:
      return "COCO JSON";
    default:
      return "KAIST text";
  }
}

void parse_kaist_lines(std::string_view text, const std::string& path, std::size_t first,
                       std::size_t count, Box shift, int label, std::vector<Detections>& images) {
  for_each_line(text, ',', path, [&](const Line& line) {
    if (line.size() != 6)
      line.wrong("KT-EVAL-002",
                 fmt::format("{} fields, 6 were expected: image,x,y,w,h,score", line.size()));
    const double number = line.number(0, "image");
    if (number != std::floor(number))
      line.wrong("KT-EVAL-002", fmt::format("image {} is not a whole number", number));
    if (number < 1 || number > static_cast<double>(count))
      line.wrong("KT-EVAL-003",
                 fmt::format("image {}: the annotation has images 1 to {}", number, count));
    const Box box = {line.number(1, "x") + shift.x, line.number(2, "y") + shift.y,
                     line.number(3, "width") + shift.w, line.number(4, "height") + shift.h};
    images[first + static_cast<std::size_t>(number) - 1].push_back(
        make_detection(line, box, line.number(5, "score"), label));
  });
}

void parse_image_lines(std::string_view text, const std::string& path, int label,
                       Detections& detections) {
  for_each_line(text, ' ', path, [&](const Line& line) {
    if (line.size() != 6)
      line.wrong("KT-EVAL-002",
                 fmt::format("{} fields, 6 were expected: person x1 y1 x2 y2 score", line.size()));
    if (line.text(0) != "person")
      line.wrong("KT-EVAL-003",
                 fmt::format("class '{}', 'person' was expected", printable(line.text(0), 24)));
    const Box box = from_corners(line.number(1, "x1"), line.number(2, "y1"), line.number(3, "x2"),
                                 line.number(4, "y2"));
    detections.push_back(make_detection(line, box, line.number(5, "score"), label));
  });
}

void parse_coco_results(std::string_view text, const std::string& path,
                        const Annotations& annotations, std::vector<Detections>& images) {
  const nlohmann::json root = parse_json(text, path, "KT-EVAL-002");
  if (!root.is_array()) throw_fault("KT-EVAL-002", "{}: an array was expected", path);
  std::unordered_map<std::string, std::size_t> image_index, class_index;
  for (std::size_t i = 0; i < images.size(); ++i) image_index[id_key(annotations.image_ids[i])] = i;
  for (std::size_t i = 0; i < annotations.category_ids.size(); ++i)
    class_index[id_key(annotations.category_ids[i])] = i;

  for (std::size_t i = 0; i < root.size(); ++i) {
    const nlohmann::json& entry = root[i];
    const auto number = [&](const nlohmann::json& value) {
      if (!value.is_number() || !std::isfinite(value.get<double>()))
        throw_fault("KT-EVAL-002", "{}: entry {}: a finite number was expected, found {}", path, i,
                    value.type_name());
      return value.get<double>();
    };
    for (const char* key : {"image_id", "category_id", "bbox", "score"})
      if (!entry.is_object() || !entry.contains(key))
        throw_fault("KT-EVAL-002", "{}: entry {}: {} was expected", path, i, kCocoShape);
    if (!entry["bbox"].is_array() || entry["bbox"].size() != 4)
      throw_fault("KT-EVAL-002", "{}: entry {}: {} was expected", path, i, kCocoShape);
    const auto image = image_index.find(id_text(entry["image_id"]));
    const auto label = class_index.find(id_text(entry["category_id"]));
    if (image == image_index.end() || label == class_index.end())
      throw_fault(
          "KT-EVAL-003", "{}: entry {}: the annotation has no {} {}", path, i,
          image == image_index.end() ? "image" : "category",
          printable(id_text(entry[image == image_index.end() ? "image_id" : "category_id"])));
    const Box box = {number(entry["bbox"][0]), number(entry["bbox"][1]), number(entry["bbox"][2]),
                     number(entry["bbox"][3])};
    if (box.w < 0 || box.h < 0)
      throw_fault("KT-EVAL-002", "{}: entry {}: width {}, height {}: a size cannot be negative",
                  path, i, box.w, box.h);
    images[image->second].push_back(
        {.box = box, .score = number(entry["score"]), .label = static_cast<int>(label->second)});
  }
}

Results read_results(const fs::path& path, const Annotations& annotations) {
  Results results{.format = guess_format(path)};
  results.images.resize(annotations.images.size());
  switch (results.format) {
    case ResultsFormat::kCoco:
      parse_coco_results(read_text(path), path.string(), annotations, results.images);
      break;
    case ResultsFormat::kFolder:
      read_folder(path, annotations, person_class(annotations), results.images);
      break;
    case ResultsFormat::kMatlab:
      read_matlab(path, annotations, person_class(annotations), results.images);
      break;
    case ResultsFormat::kKaist:
      parse_kaist_lines(read_text(path), path.string(), 0, results.images.size(), Box{},
                        person_class(annotations), results.images);
      break;
  }
  for (const Detections& image : results.images) {
    results.images_with_boxes += !image.empty();
    for (const Detection& found : image) {
      results.lowest_score =
          results.boxes == 0 ? found.score : std::min(results.lowest_score, found.score);
      results.highest_score =
          results.boxes == 0 ? found.score : std::max(results.highest_score, found.score);
      ++results.boxes;
    }
  }
  return results;
}

void write_kaist_results(const fs::path& path, std::span<const Detections> images) {
  std::string text;
  for (std::size_t i = 0; i < images.size(); ++i)
    for (const Detection& found : images[i])
      text += fmt::format("{},{:.4f},{:.4f},{:.4f},{:.4f},{:.8f}\n", i + 1, found.box.x,
                          found.box.y, found.box.w, found.box.h, found.score);
  write_text(path, text);
}

void write_coco_results(const fs::path& path, std::span<const Detections> images,
                        std::span<const std::string> image_ids,
                        std::span<const std::string> category_ids) {
  KT_CHECK(images.size() == image_ids.size(), "write_coco_results: {} images, {} ids",
           images.size(), image_ids.size());
  std::string text = "[";
  for (std::size_t i = 0; i < images.size(); ++i) {
    for (const Detection& found : images[i]) {
      const auto label = static_cast<std::size_t>(found.label);
      KT_CHECK(label < category_ids.size(), "write_coco_results: label {} of {} classes",
               found.label, category_ids.size());
      text += fmt::format(
          R"({}{{"image_id":{},"category_id":{},"bbox":[{:.4f},{:.4f},{:.4f},{:.4f}],"score":{:.8f}}})",
          text.size() > 1 ? ",\n" : "", image_ids[i], category_ids[label], found.box.x, found.box.y,
          found.box.w, found.box.h, found.score);
    }
  }
  write_text(path, text + "]\n");
}

}  // namespace ktrain::metrics
