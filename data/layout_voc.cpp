// Re-exports of a pair data set as Pascal VOC. Two forms are in use: names that carry the modality
// (set00_V000_visible_I01216 and set00_V000_lwir_I01216, each with its own line and its own XML),
// and one name and one XML for both images.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "data/pair_list.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr std::array<std::string_view, 2> kVisible = {"visible", "rgb"};
constexpr std::array<std::string_view, 3> kThermal = {"lwir", "infrared", "thermal"};

struct Stem {
  std::string before,
      after;  // around the modality's word; all of it in `before` when there is none
  bool visible = false, thermal = false;
  [[nodiscard]] std::string with(std::string_view word) const {
    return before + std::string(word) + after;
  }
  [[nodiscard]] std::string id() const {
    if (!visible && !thermal) return before;
    std::string id = before + after;
    // "set00_V000__I01216" has one '_' too many, "a_" one at the end.
    if (const std::size_t twice = id.find("__"); twice != std::string::npos) id.erase(twice, 1);
    if (id.ends_with('_')) id.pop_back();
    return id;
  }
};

// The modality stands between '_' or at an end.
Stem parse_stem(std::string_view line) {
  for (const bool thermal : {false, true}) {
    const std::string_view* const begin = thermal ? kThermal.data() : kVisible.data();
    for (std::size_t i = 0; i < (thermal ? kThermal.size() : kVisible.size()); ++i) {
      const std::string_view word = begin[i];
      for (std::size_t at = line.find(word); at != std::string_view::npos;
           at = line.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || line[at - 1] == '_') && (end == line.size() || line[end] == '_'))
          return {std::string(line.substr(0, at)), std::string(line.substr(end)), !thermal,
                  thermal};
      }
    }
  }
  return {std::string(line), "", false, false};
}

// "set00_V000_I01216" is of the video set00/V000.
std::string group_of(const std::string& id) {
  if (!id.starts_with("set") || std::count(id.begin(), id.end(), '_') != 2) return "";
  std::string video = id.substr(0, id.rfind('_'));
  std::replace(video.begin(), video.end(), '_', '/');
  return video;
}

std::string image_of(const DataFolder& folder, const Stem& stem, bool thermal) {
  std::vector<std::string> paths;
  const auto add = [&](const std::string& name) {
    for (const char* const place : {thermal ? "infrared/" : "visible/", "JPEGImages/"})
      for (const char* const extension : {".jpg", ".png"})
        if (place[0] != 'J' || stem.visible || stem.thermal)
          paths.push_back(place + name + extension);
  };
  if (!stem.visible && !stem.thermal)
    add(stem.before);
  else if (thermal)
    for (const std::string_view word : kThermal) add(stem.with(word));
  else
    for (const std::string_view word : kVisible) add(stem.with(word));
  return first_file(folder, paths);
}

std::vector<std::string> annotations_of(const DataFolder& folder, const Stem& stem) {
  if (!stem.visible && !stem.thermal) return {"Annotations/" + stem.before + ".xml"};
  std::vector<std::string> visible, thermal;
  for (const std::string_view word : kVisible)
    visible.push_back("Annotations/" + stem.with(word) + ".xml");
  for (const std::string_view word : kThermal)
    thermal.push_back("Annotations/" + stem.with(word) + ".xml");
  const std::string shared = "Annotations/" + stem.id() + ".xml";
  if (folder.has_file(shared)) return {shared};
  return {first_file(folder, visible), first_file(folder, thermal)};
}

}  // namespace

PairList list_voc(const DataFolder& folder, const ListName& list) {
  struct Lines {
    std::size_t pair;
    bool visible, thermal;
  };
  PairList all;
  std::unordered_map<std::string, Lines> named;
  bool both = false;
  for_each_listed(
      folder, list.name, {"ImageSets", "ImageSets/Main", ""},
      [&](std::string_view line, const std::string& place) {
        const Stem stem = parse_stem(line);
        const std::string id = stem.id();
        if (!list.keeps(id)) return;
        const auto [found, added] =
            named.try_emplace(id, Lines{all.pairs.size(), stem.visible, stem.thermal});
        Lines& lines = found->second;
        // The other modality of a pair that is there already.
        if (!added && ((stem.visible && !lines.visible) || (stem.thermal && !lines.thermal))) {
          lines.visible = lines.thermal = both = true;
          all.pairs[lines.pair].line += fmt::format("\n{}", line);
          return;
        }
        ListedPair pair;
        pair.id = id;
        pair.group = group_of(id);
        pair.visible = image_of(folder, stem, false);
        pair.thermal = image_of(folder, stem, true);
        pair.annotations = annotations_of(folder, stem);
        pair.line = line;
        pair.place = place;
        all.pairs.push_back(std::move(pair));
      });
  if (!both) return all;
  for (const ListedPair& pair : all.pairs) {
    const Lines& lines = named.at(pair.id);
    if (lines.visible != lines.thermal)
      all.problems.push_back(
          {"KT-DATA-011",
           fmt::format("{}: the {} image of {} is not listed, as others are", pair.place,
                       lines.visible ? "thermal" : "visible", pair.id),
           pair.id});
  }
  return all;
}

}  // namespace ktrain
