#include "data/pair_list.h"

#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "data/text_lines.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr std::int64_t kListBytes = 64 << 20;
constexpr std::size_t kNamesShown = 12;

std::string in_folder(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

// The lists that a user may have meant.
std::string lists_there(const DataFolder& folder, std::initializer_list<std::string_view> folders) {
  std::vector<std::string> found;
  for (const std::string_view path : folders) {
    const std::string shown = path.empty() ? "." : std::string(path);
    if (!folder.has_folder(shown)) continue;
    for (const std::string& name : folder.names(shown))
      if (name.ends_with(".txt")) found.push_back(printable(name.substr(0, name.size() - 4)));
  }
  if (found.empty()) return "there are no lists";
  const std::size_t more = found.size() > kNamesShown ? found.size() - kNamesShown : 0;
  found.resize(found.size() - more);
  return fmt::format("there {} {}{}", found.size() + more == 1 ? "is" : "are",
                     fmt::join(found, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

ListName parse_list_name(std::string_view text) {
  ListName list;
  const std::size_t colon = text.find(':');
  list.name = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    std::string_view prefix = text.substr(colon + 1);
    list.exclude = prefix.starts_with('!');
    if (list.exclude) prefix.remove_prefix(1);
    if (prefix.empty())
      throw_fault("KT-DATA-030", "list '{}': nothing stands after ':'; wanted NAME:PREFIX",
                  printable(text));
    list.prefix = prefix;
  }
  check_relative_path(list.name, "data list");
  return list;
}

void for_each_listed(const DataFolder& folder, std::string_view name,
                     std::initializer_list<std::string_view> folders,
                     const std::function<void(std::string_view, const std::string&)>& use) {
  std::string path;
  for (const std::string_view place : folders)
    for (const char* const extension : {".txt", ""}) {
      const std::string candidate = in_folder(place, name) + extension;
      if (path.empty() && folder.has_file(candidate)) path = candidate;
    }
  if (path.empty())
    throw_fault("KT-DATA-001", "{}: no such list; {}",
                folder.shown(in_folder(*folders.begin(), name) + ".txt"),
                lists_there(folder, folders));
  for_each_line(folder.read_text(path, kListBytes), [&](std::string_view line, int number) {
    const std::string_view text = trimmed(line);
    if (text.empty()) return;
    const std::string place = fmt::format("{}:{}", folder.shown(path), number);
    check_relative_path(text, place);
    use(text, place);
  });
}

std::string first_file(const DataFolder& folder, const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (folder.has_file(path)) return path;
  return paths.front();
}

std::string first_image(const DataFolder& folder, const std::string& stem) {
  return first_file(folder, {stem + ".jpg", stem + ".png", stem + ".jpeg"});
}

PairList list_pairs(const DataFolder& folder, const PairSource& source) {
  const DataPreset& preset = find_preset(source.layout);
  const ListName list = parse_list_name(source.list);
  if (preset.name == "llvip") return list_llvip(folder, list);
  if (preset.name == "voc") return list_voc(folder, list);
  if (preset.name == "flir") return list_flir(folder, list);
  if (preset.name == "m3fd") return list_m3fd(folder, list);
  if (preset.name == "coco") return list_coco(folder, list);
  return list_kaist(folder, preset, list);
}

}  // namespace ktrain
