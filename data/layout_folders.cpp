// LLVIP, FLIR-aligned and M3FD: one folder per modality or one suffix per modality.
#include <algorithm>
#include <set>

#include "data/pair_list.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

std::string without_extension(std::string_view name) {
  for (const std::string_view extension : {".jpg", ".jpeg", ".png", ".xml"})
    if (name.ends_with(extension))
      return std::string(name.substr(0, name.size() - extension.size()));
  return std::string(name);
}

bool is_image(std::string_view name) { return without_extension(name).size() != name.size(); }

// The first of the folders that is there, or the first.
std::string first_folder(const DataFolder& folder, std::vector<std::string> names) {
  for (const std::string& name : names)
    if (folder.has_folder(name)) return name;
  return names.front();
}

// Stems of the images in either folder: a partner that is missing on one side is then found.
std::set<std::string> stems_in(const DataFolder& folder, const std::string& visible,
                               const std::string& thermal) {
  std::set<std::string> stems;
  for (const std::string& path : {visible, thermal})
    for (const std::string& name : folder.names(path))
      if (is_image(name)) stems.insert(without_extension(name));
  return stems;
}

ListedPair llvip_pair(const DataFolder& folder, const std::string& split, const std::string& stem) {
  ListedPair pair;
  pair.id = stem;
  // Six digits, of which the first two are the scene.
  if (stem.size() == 6 &&
      std::all_of(stem.begin(), stem.end(), [](char c) { return c >= '0' && c <= '9'; }))
    pair.group = stem.substr(0, 2);
  pair.visible = first_image(folder, "visible/" + split + "/" + stem);
  pair.thermal = first_image(folder, "infrared/" + split + "/" + stem);
  pair.annotations = {"Annotations/" + stem + ".xml"};
  pair.line = split + "/" + stem;
  return pair;
}

}  // namespace

// LLVIP ships no lists: the split is the folder. A list of lines "train/010001" is read as well.
PairList list_llvip(const DataFolder& folder, const ListName& list) {
  PairList all;
  if (folder.has_folder("visible/" + list.name) || folder.has_folder("infrared/" + list.name)) {
    for (const std::string& stem :
         stems_in(folder, "visible/" + list.name, "infrared/" + list.name)) {
      if (!list.keeps(stem)) continue;
      all.pairs.push_back(llvip_pair(folder, list.name, stem));
      all.pairs.back().place = folder.shown("visible/" + list.name);
    }
    return all;
  }
  for_each_listed(
      folder, list.name, {"", "ImageSets", "imageSets"},
      [&](std::string_view line, const std::string& place) {
        const std::size_t slash = line.find('/');
        if (slash == std::string_view::npos)
          throw_fault("KT-DATA-009", "{}: found '{}', wanted SPLIT/NAME", place, printable(line));
        const std::string stem = without_extension(line.substr(slash + 1));
        if (!list.keeps(stem)) return;
        all.pairs.push_back(llvip_pair(folder, std::string(line.substr(0, slash)), stem));
        all.pairs.back().line = line;
        all.pairs.back().place = place;
      });
  return all;
}

// Lines "FLIR_05000_PreviewData" or "FLIR_05000"; files beneath the root or beneath align/.
PairList list_flir(const DataFolder& folder, const ListName& list) {
  constexpr std::string_view kThermal = "_PreviewData", kVisible = "_RGB";
  const std::string base = folder.has_folder("JPEGImages") ? "" : "align/";
  PairList all;
  for_each_listed(folder, list.name, {"", "align", "ImageSets/Main", "align/ImageSets/Main"},
                  [&](std::string_view line, const std::string& place) {
                    std::string stem = without_extension(line);
                    for (const std::string_view suffix : {kThermal, kVisible})
                      if (stem.ends_with(suffix)) stem.resize(stem.size() - suffix.size());
                    if (!list.keeps(stem)) return;
                    ListedPair pair;
                    pair.id = stem;
                    pair.visible = first_image(folder, base + "JPEGImages/" + stem + "_RGB");
                    pair.thermal =
                        first_file(folder, {base + "JPEGImages/" + stem + "_PreviewData.jpeg",
                                            base + "JPEGImages/" + stem + "_PreviewData.jpg"});
                    pair.annotations = {base + "Annotations/" + stem + "_PreviewData.xml"};
                    pair.line = line;
                    pair.place = place;
                    all.pairs.push_back(std::move(pair));
                  });
  return all;
}

// Lines "00000" or "00000.png". There is no official split: a list must be given, "all" is every
// pair there is.
PairList list_m3fd(const DataFolder& folder, const ListName& list) {
  const std::string visible = first_folder(folder, {"Vis", "vi"});
  const std::string thermal = first_folder(folder, {"Ir", "ir"});
  const std::string annotations = first_folder(folder, {"Annotation", "Annotations"});
  PairList all;
  const auto add = [&](const std::string& stem, std::string_view line, const std::string& place) {
    if (!list.keeps(stem)) return;
    ListedPair pair;
    pair.id = stem;
    pair.visible =
        first_file(folder, {visible + "/" + stem + ".png", visible + "/" + stem + ".jpg"});
    pair.thermal =
        first_file(folder, {thermal + "/" + stem + ".png", thermal + "/" + stem + ".jpg"});
    pair.annotations = {annotations + "/" + stem + ".xml"};
    pair.line = line;
    pair.place = place;
    all.pairs.push_back(std::move(pair));
  };
  if (list.name == "all") {
    for (const std::string& stem : stems_in(folder, visible, thermal))
      add(stem, stem, folder.shown(visible));
    return all;
  }
  for_each_listed(folder, list.name, {"", "meta", "ImageSets"},
                  [&](std::string_view line, const std::string& place) {
                    add(without_extension(line), line, place);
                  });
  return all;
}

}  // namespace ktrain
