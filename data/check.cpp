#include "data/check.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>

#include "data/labels.h"
#include "data/pair_identity.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

// Upper limits, exclusive, and names of the bins: KAIST's scales and COCO's small boxes.
constexpr std::array<double, 4> kHeights = {20, 50, 75, 115};
constexpr std::array<const char*, 5> kHeightNames = {"<20", "20-50", "50-75", "75-115", ">=115"};
constexpr std::array<std::size_t, 6> kBoxes = {1, 2, 3, 6, 11, 21};
constexpr std::array<const char*, 7> kBoxNames = {"0", "1", "2", "3-5", "6-10", "11-20", ">20"};

void count_boxes(ListCheck& check) {
  for (const char* const name : kHeightNames) check.heights.push_back({name, 0});
  for (const char* const name : kBoxNames) check.per_pair.push_back({name, 0});
  check.occlusion = {{"none", 0}, {"partial", 0}, {"heavy", 0}};
  std::map<std::string, std::int64_t> sizes, groups;
  const PairIndex& index = check.report.index;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    const Pair& pair = index[i];
    std::size_t positive = 0;
    for (const PairBox& box : pair.boxes) {
      if (box.ignore) continue;
      ++positive;
      const double height = box.box[3] - box.box[1];
      const auto bin = std::upper_bound(kHeights.begin(), kHeights.end(), height);
      ++check.heights[static_cast<std::size_t>(bin - kHeights.begin())].count;
      ++check.occlusion[static_cast<std::size_t>(std::clamp(box.occlusion, 0, 2))].count;
    }
    const auto bin = std::upper_bound(kBoxes.begin(), kBoxes.end(), positive);
    ++check.per_pair[static_cast<std::size_t>(bin - kBoxes.begin())].count;
    if (positive == 0) check.empty.push_back(pair.id);
    ++sizes[fmt::format("{}x{}", pair.width, pair.height)];
    // The set of KAIST, the scene of LLVIP.
    if (!pair.group.empty()) ++groups[pair.group.substr(0, pair.group.find('/'))];
  }
  for (const auto& [name, count] : sizes) check.sizes.push_back({name, count});
  for (const auto& [name, count] : groups) check.groups.push_back({printable(name), count});
}

void find_doubled_boxes(ListCheck& check) {
  const PairIndex& index = check.report.index;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    std::set<std::array<double, 4>> seen;
    std::int64_t doubled = 0;
    for (const PairBox& box : index[i].boxes) doubled += !seen.insert(box.box).second;
    if (doubled > 0)
      check.warnings.push_back(
          {"KT-DATA-035",
           fmt::format("{}: {} box{} twice ({})", index[i].id, doubled,
                       doubled == 1 ? " stands" : "es stand", index[i].annotation),
           index[i].id});
  }
}

void find_unused_labels(const PairSource& source, ListCheck& check) {
  for (const auto& names : {source.labels.positive, source.labels.ignore, source.labels.background})
    for (const std::string& name : names)
      if (name != kOwnLabels && check.report.labels.count(name) == 0)
        check.warnings.push_back({"KT-DATA-037", fmt::format("list '{}': no box of class '{}'",
                                                             check.list, printable(name))});
}

struct PublishedList {
  std::string_view layout, list;
  std::int64_t pairs;
};
// Counts of the published lists; docs/data.md has the sources.
constexpr PublishedList kPublished[] = {
    {"kaist", "train-all-02", 25086},
    {"kaist", "train-all-02:!set05", 23626},
    {"kaist", "train-all-02:set05", 1460},
    {"kaist", "test-all-20", 2252},
    {"kaist-improved", "test-all-20", 2252},
    {"kaist-paired", "trainval", 8892},
    {"kaist-paired", "test", 2252},
    {"kaist-sanitized", "train", 7601},
    {"llvip", "train", 12025},
    {"llvip", "test", 3463},
    {"flir", "align_train", 4129},
    {"flir", "align_validation", 1013},
};

void compare_with_published(ListCheck& check) {
  for (const PublishedList& known : kPublished)
    if (known.layout == check.layout && known.list == check.list &&
        known.pairs != check.report.listed)
      check.warnings.push_back(
          {"KT-DATA-036",
           fmt::format("list '{}' names {} pairs; the published {} list of this name "
                       "has {}",
                       check.list, check.report.listed, known.layout, known.pairs)});
  if (check.list.find("train") == std::string::npos) return;
  std::int64_t tests = 0;
  std::string first;
  for (const ListedName& name : check.report.names) {
    const bool set = name.id.size() > 6 && name.id.starts_with("set") &&
                     (name.id[5] == '/' || name.id[5] == '_');
    const std::string_view number = set ? std::string_view(name.id).substr(3, 2) : "";
    if (!set || number < "06" || number > "11") continue;
    if (tests++ == 0) first = name.id;
  }
  if (tests > 0)
    check.warnings.push_back(
        {"KT-DATA-036", fmt::format("list '{}' names {} pairs of KAIST's official test sets 06 to "
                                    "11, the first is {}",
                                    check.list, tests, printable(first))});
}

// Pixels of a pair that speak against it.
void judge_pair(const Pair& pair, const PairPixels& pixels, ListCheck& check,
                std::vector<std::string>& coloured) {
  if (!pixels.problems.empty()) {
    for (const DataProblem& problem : pixels.problems) check.report.problems.push_back(problem);
    return;
  }
  const auto problem = [&](const std::string& text) {
    check.report.problems.push_back({"KT-DATA-034", text, pair.id});
  };
  const double visible = pixels.visible.mean_chroma(), thermal = pixels.thermal.mean_chroma();
  if (pixels.visible_hash == pixels.thermal_hash)
    problem(fmt::format("{}: one picture as both images ({}, {})", pair.id, pair.visible,
                        pair.thermal));
  else if (thermal >= kColoured && visible < kGrey)
    problem(
        fmt::format("{}: the thermal image is coloured (chroma {:.3f}), the visible one grey "
                    "({:.3f}): swapped? ({}, {})",
                    pair.id, thermal, visible, pair.visible, pair.thermal));
  else if (thermal >= kColoured)
    coloured.push_back(pair.id);
}

void judge_pixels(ListCheck& check) {
  const PairIndex& index = check.report.index;
  std::vector<std::string> coloured;
  std::map<std::string, std::int64_t> pictures;  // of either modality, to the first pair with it
  std::int64_t dark = 0, light = 0;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    const PairPixels& pixels = check.pixels[static_cast<std::size_t>(i)];
    judge_pair(index[i], pixels, check, coloured);
    if (!pixels.problems.empty()) continue;
    check.visible.add(pixels.visible);
    check.thermal.add(pixels.thermal);
    ++(pixels.visible.luma() < kDark ? dark : light);
    for (const auto& [what, hash] :
         {std::pair("visible", &pixels.visible_hash), std::pair("thermal", &pixels.thermal_hash)})
      if (const auto [found, added] = pictures.emplace(*hash, i); !added && found->second != i)
        check.warnings.push_back({"KT-DATA-035",
                                  fmt::format("{}: its {} image is also one of {}", index[i].id,
                                              what, index[found->second].id),
                                  index[i].id});
  }
  check.light = {{"light", light}, {"dark", dark}};
  if (!coloured.empty())
    check.warnings.push_back(
        {"KT-DATA-034",
         fmt::format("the thermal image of {} of {} pairs is coloured, the first is {}",
                     coloured.size(), index.size(), coloured.front())});
}

void find_blank_images(ListCheck& check) {
  for (std::size_t i = 0; i < check.pixels.size(); ++i) {
    const Pair& pair = check.report.index[static_cast<std::int64_t>(i)];
    const PairPixels& pixels = check.pixels[i];
    for (const auto& [path, sums] :
         {std::pair(&pair.visible, &pixels.visible), std::pair(&pair.thermal, &pixels.thermal)})
      if (sums->is_constant())
        check.warnings.push_back({"KT-DATA-038",
                                  fmt::format("{}: every pixel is the same ({})", pair.id, *path),
                                  pair.id});
  }
}

using Frames = std::vector<std::pair<std::int64_t, std::string>>;

std::map<std::string, Frames> frames_of(const ListCheck& check) {
  std::map<std::string, Frames> groups;
  const PairIndex& index = check.report.index;
  for (std::int64_t i = 0; i < index.size(); ++i)
    if (!index[i].group.empty())
      groups[index[i].group].emplace_back(frame_number(index[i].id), index[i].id);
  for (auto& [group, frames] : groups) std::sort(frames.begin(), frames.end());
  return groups;
}

// "nearest frames 2 apart (A, B)" of different ids; "" when they are not numbered.
std::string nearest_frames(const Frames& a, const Frames& b) {
  std::int64_t least = -1;
  std::string names;
  for (const auto& [number, id] : a) {
    if (number < 0) continue;
    const auto after = std::lower_bound(b.begin(), b.end(), std::pair(number, std::string()));
    for (auto it = after == b.begin() ? after : after - 1; it != b.end() && it - after < 2; ++it) {
      if (it->first < 0 || it->second == id) continue;
      const std::int64_t apart = std::abs(it->first - number);
      if (least >= 0 && apart >= least) continue;
      least = apart;
      names = fmt::format("{}, {}", id, it->second);
    }
  }
  return least < 0 ? "" : fmt::format("; nearest frames {} apart ({})", least, names);
}

}  // namespace

std::vector<std::string> ListCheck::clean_lines() const {
  std::vector<std::string> lines;
  std::unordered_set<std::string> written;
  for (const ListedName& name : report.names)
    if (bad.count(name.id) == 0 && written.insert(name.id).second) lines.push_back(name.line);
  return lines;
}

ListCheck check_list(const DataFolder& folder, const PairSource& source, int threads) {
  ListCheck check;
  check.layout = source.layout;
  check.list = source.list;
  check.report = read_pairs(folder, source, /*whole_images=*/true);
  check.pixels = read_pixels(folder, check.report.index, threads);
  count_boxes(check);
  judge_pixels(check);
  find_blank_images(check);
  find_doubled_boxes(check);
  find_unused_labels(source, check);
  compare_with_published(check);
  for (const ListedName& name : check.report.names)
    if (check.report.index.find(name.id) < 0) check.bad.insert(name.id);
  for (const DataProblem& problem : check.report.problems)
    if (problem.id != "KT-DATA-015") check.bad.insert(problem.pair);
  return check;
}

ListOverlap compare_lists(const ListCheck& a, const ListCheck& b) {
  ListOverlap overlap;
  const auto problem = [&](const std::string& id, const std::string& text) {
    overlap.problems.push_back({"KT-DATA-032", text, id});
  };
  std::unordered_map<std::string, std::int64_t> pictures;
  for (std::int64_t i = 0; i < a.report.index.size(); ++i) {
    const PairPixels& pixels = a.pixels[static_cast<std::size_t>(i)];
    for (const std::string& hash : {pixels.visible_hash, pixels.thermal_hash})
      if (!hash.empty()) pictures.emplace(hash, i);
  }
  for (std::int64_t i = 0; i < b.report.index.size(); ++i) {
    const std::string& id = b.report.index[i].id;
    if (a.report.index.find(id) >= 0) {
      problem(id, fmt::format("{}: in list '{}' and in list '{}'", id, a.list, b.list));
      continue;
    }
    const PairPixels& pixels = b.pixels[static_cast<std::size_t>(i)];
    for (const auto& [what, hash] :
         {std::pair("visible", &pixels.visible_hash), std::pair("thermal", &pixels.thermal_hash)})
      if (const auto found = pictures.find(*hash); found != pictures.end())
        problem(id, fmt::format("{} in list '{}': its {} image is that of {} in list '{}'", id,
                                b.list, what, a.report.index[found->second].id, a.list));
  }
  const std::map<std::string, Frames> first = frames_of(a), second = frames_of(b);
  for (const auto& [group, frames] : first)
    if (const auto found = second.find(group); found != second.end())
      overlap.warnings.push_back(
          {"KT-DATA-033", fmt::format("recording {}: {} pairs in list '{}', {} in list '{}'{}",
                                      printable(group), frames.size(), a.list, found->second.size(),
                                      b.list, nearest_frames(frames, found->second))});
  return overlap;
}

}  // namespace ktrain
