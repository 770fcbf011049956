#include "train/metrics/annotations.h"

#include <cmath>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "runtime/sha256.h"
#include "train/metrics/text_file.h"

namespace ktrain::metrics {
namespace {

using Json = nlohmann::json;

// Of the image names of test-all-20.txt, each with a line feed; and of the improved annotation's
// file.
constexpr std::string_view kTest20List =
    "37dae20bcadccc246ef1cc0f77460c96a1ec64bc5a3a9edda236cf0156b3dc27";
constexpr std::string_view kImproved =
    "07f525a4a28ebf96b026c367d9222115896671f9512a29b441307efa4d9a525d";

// Reads one member of one entry and says where when it is not what it should be.
class Entry {
 public:
  Entry(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) wrong("an object was expected");
  }

  [[noreturn]] void wrong(const std::string& what) const {
    throw_fault("KT-EVAL-001", "{}: {}", where_, what);
  }

  [[nodiscard]] bool has(const char* key) const { return json_.contains(key); }

  [[nodiscard]] const Json& at(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) wrong(fmt::format("member '{}' is missing", key));
    return *found;
  }

  // A number or a string as JSON text; 17 and "17" are the same id.
  [[nodiscard]] std::string id(const char* key) const {
    const Json& value = at(key);
    if (!value.is_number_integer() && !value.is_string())
      wrong(fmt::format("'{}' is neither a whole number nor a string", key));
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  [[nodiscard]] std::string text(const char* key) const {
    const Json& value = at(key);
    if (!value.is_string()) wrong(fmt::format("'{}' is not a string", key));
    return value.get<std::string>();
  }

  [[nodiscard]] double number(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    const Json& value = at(key);
    if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      wrong(fmt::format("'{}' is not a finite number", key));
    return value.get<double>();
  }

  [[nodiscard]] Box box(const char* key) const {
    const Json& value = at(key);
    double part[4];
    bool good = value.is_array() && value.size() == 4;
    for (std::size_t k = 0; good && k < 4; ++k) {
      good = value[k].is_number();
      if (good) part[k] = value[k].get<double>();
      good = good && std::isfinite(part[k]);
    }
    if (!good) wrong(fmt::format("'{}' is not four finite numbers x, y, width, height", key));
    if (part[2] < 0 || part[3] < 0)
      wrong(fmt::format("'{}' has width {}, height {}; a negative size looks like corners", key,
                        part[2], part[3]));
    return {part[0], part[1], part[2], part[3]};
  }

 private:
  const Json& json_;
  std::string where_;
};

std::string unquoted(const std::string& id) {
  return id.size() >= 2 && id.front() == '"' ? id.substr(1, id.size() - 2) : id;
}

using Index = std::unordered_map<std::string, std::size_t>;

const Json& list(const Json& root, const char* key, const std::string& path) {
  const auto found = root.find(key);
  if (found == root.end() || !found->is_array())
    throw_fault("KT-EVAL-001", "{}: no list '{}': this is not a COCO-like annotation file", path,
                key);
  return *found;
}

Index read_images(const Json& images, const std::string& path, Annotations& result) {
  Index index;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Entry entry(images[i], fmt::format("{}: images[{}]", path, i));
    std::string id = entry.id("id");
    if (!index.emplace(unquoted(id), i).second)
      entry.wrong(fmt::format("a second image has id {}", printable(id)));
    const char* name = entry.has("im_name") ? "im_name" : "file_name";
    result.images.push_back({.name = entry.has(name) ? entry.text(name) : unquoted(id)});
    result.image_ids.push_back(std::move(id));
  }
  return index;
}

Index read_categories(const Json& categories, const std::string& path, Annotations& result) {
  Index index;
  for (std::size_t i = 0; i < categories.size(); ++i) {
    const Entry entry(categories[i], fmt::format("{}: categories[{}]", path, i));
    std::string id = entry.id("id");
    if (!index.emplace(unquoted(id), i).second)
      entry.wrong(fmt::format("a second category has id {}", printable(id)));
    result.classes.push_back(entry.text("name"));
    result.category_ids.push_back(std::move(id));
  }
  return index;
}

}  // namespace

int Annotations::find_class(std::string_view class_name) const {
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (classes[i] == class_name) return static_cast<int>(i);
  return -1;
}

std::int64_t Annotations::count_targets() const {
  std::int64_t count = 0;
  for (const ImageTruth& image : images)
    for (const Target& target : image.targets) count += !target.ignore;
  return count;
}

Annotations parse_annotations(std::string_view text, const std::string& path) {
  const Json root = parse_json(text, path, "KT-EVAL-001");
  if (!root.is_object())
    throw_fault("KT-EVAL-001", "{}: an object with images, annotations, categories was expected",
                path);
  Annotations result;
  result.name = std::filesystem::path(path).stem().string();
  result.sha256 = sha256_hex(text);
  const Index images = read_images(list(root, "images", path), path, result);
  const Index categories = read_categories(list(root, "categories", path), path, result);

  const Json& annotations = list(root, "annotations", path);
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    const Entry entry(annotations[i], fmt::format("{}: annotations[{}]", path, i));
    const auto image = images.find(unquoted(entry.id("image_id")));
    if (image == images.end())
      entry.wrong(fmt::format("no image has id {}", printable(entry.id("image_id"))));
    const auto category = categories.find(unquoted(entry.id("category_id")));
    if (category == categories.end())
      entry.wrong(fmt::format("no category has id {}", printable(entry.id("category_id"))));
    Target target{.box = entry.box("bbox"), .label = static_cast<int>(category->second)};
    target.ignore = entry.number("ignore", 0) != 0 || entry.number("iscrowd", 0) != 0;
    const double occlusion = entry.number("occlusion", 0);
    if (occlusion != 0 && occlusion != 1 && occlusion != 2)
      entry.wrong(fmt::format("'occlusion' is {}, not 0, 1 or 2", occlusion));
    target.occlusion = static_cast<int>(occlusion);
    target.area = entry.number("area", -1);
    result.images[image->second].targets.push_back(target);
  }
  return result;
}

Annotations read_annotations(const std::filesystem::path& path) {
  return parse_annotations(read_text(path), path.string());
}

std::vector<ImageTruth> single_class(const Annotations& annotations, int label, bool keep_others) {
  std::vector<ImageTruth> images;
  images.reserve(annotations.images.size());
  for (const ImageTruth& image : annotations.images) {
    ImageTruth kept{.name = image.name};
    for (Target target : image.targets) {
      const bool other = target.label != label;
      if (other && !keep_others) continue;
      target.ignore |= other;
      target.label = other ? 1 : 0;
      kept.targets.push_back(target);
    }
    images.push_back(std::move(kept));
  }
  return images;
}

std::string fingerprint(std::string_view list_name, std::string_view annotation_name,
                        std::size_t images, std::int64_t targets, std::string_view sha256) {
  return fmt::format("[{}/{} {} img {} gt #{}]", list_name, annotation_name, images, targets,
                     sha256.substr(0, 8));
}

std::string fingerprint(const Annotations& annotations, std::int64_t targets) {
  Sha256 names;
  for (const ImageTruth& image : annotations.images) names.update(image.name + "\n");
  const bool official = names.hex() == kTest20List;
  const std::string stem = printable(annotations.name, 40);
  return fingerprint(official ? "kaist-test20" : "custom",
                     annotations.sha256 == kImproved ? "improved" : stem, annotations.images.size(),
                     targets, annotations.sha256);
}

}  // namespace ktrain::metrics
