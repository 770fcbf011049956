// COCO JSON as a list of pairs. One file with two paths per image; one file with one path, where
// the partner's folder follows from the visible one's; two files, "a.json+b.json", one per
// modality with the same image ids; MLPD's file for KAIST.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "data/coco_json.h"
#include "data/pair_list.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr std::int64_t kJsonBytes = std::int64_t{1} << 30;

// Folder names of the visible images and what the partner's is called beside them.
struct Partner {
  std::string_view visible, thermal;
};
constexpr Partner kPartners[] = {
    {"visible", "infrared"}, {"visible", "lwir"}, {"visible", "thermal"}, {"rgb", "thermal"},
    {"rgb", "ir"},           {"rgb", "infrared"}, {"RGB", "IR"},          {"RGB", "Thermal"},
    {"RGB", "thermal"},      {"Vis", "Ir"},       {"vi", "ir"},           {"vis", "ir"},
};

struct JsonFile {
  std::string path, stem;  // beneath the root; without folder and extension
  CocoFile content;
};

JsonFile read_json(const DataFolder& folder, const std::string& name) {
  const std::string path = first_file(
      folder, {name, name + ".json", "annotations/" + name, "annotations/" + name + ".json"});
  const std::string text = folder.read_text(path, kJsonBytes);
  JsonFile file;
  file.path = path;
  file.content = parse_coco({folder.shown(path), text});
  file.stem = path.substr(path.rfind('/') + 1);
  if (file.stem.ends_with(".json")) file.stem.resize(file.stem.size() - 5);
  return file;
}

// "a/b/c" with the folder `from` (the last such one) named `to`; "" without one.
std::string with_folder(const std::string& path, std::string_view from, std::string_view to) {
  for (std::size_t at = path.rfind(from); at != std::string::npos && at <= path.size();
       at = at == 0 ? std::string::npos : path.rfind(from, at - 1)) {
    const std::size_t end = at + from.size();
    if ((at == 0 || path[at - 1] == '/') && end < path.size() && path[end] == '/')
      return path.substr(0, at) + std::string(to) + path.substr(end);
  }
  return "";
}

std::string without_extension(const std::string& path) {
  const std::size_t dot = path.rfind('.'), slash = path.rfind('/');
  return dot != std::string::npos && (slash == std::string::npos || dot > slash)
             ? path.substr(0, dot)
             : path;
}

bool is_kaist_name(const std::string& name) {
  return name.starts_with("set") && std::count(name.begin(), name.end(), '/') == 2 &&
         without_extension(name) == name;
}

// Where the file of a name in the JSON lies, as it stands or in the usual folders.
std::string visible_file(const DataFolder& folder, const std::string& name,
                         const std::string& split) {
  return first_file(folder,
                    {name, "visible/" + name, "visible/" + split + "/" + name, "images/" + name});
}

std::string thermal_file(const DataFolder& folder, const std::string& name,
                         const std::string& split) {
  return first_file(folder,
                    {name, "infrared/" + name, "infrared/" + split + "/" + name, "images/" + name});
}

// The partner of a visible path by the names of the folders: one that is there, else the first that
// would do, else "".
std::string partner_of(const DataFolder& folder, const std::string& visible) {
  std::string first;
  for (const Partner& partner : kPartners) {
    const std::string path = with_folder(visible, partner.visible, partner.thermal);
    if (path.empty()) continue;
    if (folder.has_file(path)) return path;
    if (first.empty()) first = path;
  }
  return first;
}

class CocoLister {
 public:
  CocoLister(const DataFolder& folder, const ListName& list) : folder_(folder), list_(list) {}

  PairList one_file(JsonFile file) {
    for (CocoImage& image : file.content.images) {
      ListedPair pair = begin_pair(file, image);
      if (!list_.keeps(pair.id)) continue;
      if (is_kaist_name(image.visible)) {
        const std::size_t slash = image.visible.rfind('/');
        const std::string video = "images/" + image.visible.substr(0, slash);
        const std::string frame = image.visible.substr(slash);
        pair.visible = first_image(folder_, video + "/visible" + frame);
        pair.thermal = first_image(folder_, video + "/lwir" + frame);
        pair.group = image.visible.substr(0, slash);
      } else {
        pair.visible = visible_file(folder_, image.visible, file.stem);
        pair.thermal = image.thermal.empty() ? partner_of(folder_, pair.visible)
                                             : thermal_file(folder_, image.thermal, file.stem);
      }
      pair.annotations = {file.path};
      pair.contents = {std::move(image.annotation)};
      if (pair.thermal.empty())
        problem("KT-DATA-011", pair,
                fmt::format("image '{}' has no thermal_file_name, and no folder of its path tells "
                            "where the partner is",
                            printable(image.visible)));
      else
        all_.pairs.push_back(std::move(pair));
    }
    return std::move(all_);
  }

  PairList two_files(JsonFile visible, JsonFile thermal) {
    std::unordered_map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < thermal.content.images.size(); ++i)
      places.emplace(thermal.content.images[i].id, i);
    for (CocoImage& image : visible.content.images) {
      ListedPair pair = begin_pair(visible, image);
      if (!list_.keeps(pair.id)) {
        places.erase(image.id);
        continue;
      }
      const auto found = places.find(image.id);
      if (found == places.end()) {
        problem("KT-DATA-011", pair,
                fmt::format("image id '{}' is not in {}", printable(image.id),
                            folder_.shown(thermal.path)));
        continue;
      }
      CocoImage& partner = thermal.content.images[found->second];
      pair.visible = visible_file(folder_, image.visible, visible.stem);
      pair.thermal = thermal_file(folder_, partner.visible, thermal.stem);
      pair.annotations = {visible.path, thermal.path};
      pair.contents = {std::move(image.annotation), std::move(partner.annotation)};
      places.erase(found);
      all_.pairs.push_back(std::move(pair));
    }
    for (const CocoImage& image : thermal.content.images)
      if (places.count(image.id) > 0)
        problem("KT-DATA-011", begin_pair(thermal, image),
                fmt::format("image id '{}' is not in {}", printable(image.id),
                            folder_.shown(visible.path)));
    return std::move(all_);
  }

 private:
  ListedPair begin_pair(const JsonFile& file, const CocoImage& image) const {
    ListedPair pair;
    pair.place = fmt::format("{}:{}", folder_.shown(file.path), image.line);
    check_relative_path(image.visible, pair.place);
    if (!image.thermal.empty()) check_relative_path(image.thermal, pair.place);
    pair.id = without_extension(image.visible);
    return pair;
  }
  void problem(const char* id, const ListedPair& pair, const std::string& what) {
    all_.problems.push_back({id, fmt::format("{}: {}", pair.place, what), pair.id});
  }

  const DataFolder& folder_;
  const ListName& list_;
  PairList all_;
};

}  // namespace

PairList list_coco(const DataFolder& folder, const ListName& list) {
  const std::size_t plus = list.name.find('+');
  CocoLister lister(folder, list);
  if (plus == std::string::npos) return lister.one_file(read_json(folder, list.name));
  const std::string thermal = list.name.substr(plus + 1);
  check_relative_path(thermal, "data list");
  return lister.two_files(read_json(folder, list.name.substr(0, plus)), read_json(folder, thermal));
}

}  // namespace ktrain
