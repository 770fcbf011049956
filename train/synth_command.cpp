#include "train/synth_command.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ostream>
#include <vector>

#include "data/pair_index.h"
#include "data/resize.h"
#include "runtime/fault.h"
#include "train/picture.h"

namespace ktrain {
namespace {

constexpr std::int64_t kSheetRows = 4, kSheetColumns = 2;
constexpr int kTileHeight = 256, kGap = 4, kHead = 18;

// KAIST's sets 03-05 and 09-11 are night.
bool is_night_set(const std::string& id) {
  const int set = (id[3] - '0') * 10 + (id[4] - '0');
  return set / 3 % 2 == 1;
}

Image read_image(const DataFolder& folder, const std::string& path) {
  std::vector<std::uint8_t> bytes;
  folder.read(path, ImageLimits{}.max_file_bytes, bytes);
  return decode_image({folder.shown(path), bytes});
}

Image sheet_tile(const DataFolder& folder, const Pair& pair, const std::string& path) {
  const int width = pair.width * kTileHeight / pair.height;
  Image tile = resize_bilinear(read_image(folder, path), {.height = kTileHeight, .width = width});
  const double scale = static_cast<double>(kTileHeight) / pair.height;
  for (const PairBox& box : pair.boxes)
    draw_box(tile, box.box[0] * scale - 1, box.box[1] * scale - 1, box.box[2] * scale + 1,
             box.box[3] * scale + 1, box.ignore ? Color{255, 170, 0} : Color{60, 255, 90}, 1);
  return tile;
}

// Day to the left, night to the right: the first of each with somebody in it, then as they come.
std::vector<std::int64_t> sheet_pairs(const PairIndex& index) {
  std::array<std::vector<std::int64_t>, 2> columns;
  for (const bool needs_people : {true, false})
    for (std::int64_t i = 0; i < index.size(); ++i) {
      auto& column = columns[is_night_set(index[i].id) ? 1 : 0];
      const bool full = static_cast<std::int64_t>(column.size()) == kSheetRows;
      if (!full && index[i].boxes.empty() != needs_people) column.push_back(i);
    }
  std::vector<std::int64_t> out;
  for (std::size_t row = 0; row < static_cast<std::size_t>(kSheetRows); ++row)
    for (const auto& column : columns) out.push_back(row < column.size() ? column[row] : -1);
  return out;
}

void write_sheet(const SynthOptions& options, const DataFolder& folder, const PairIndex& index) {
  const int width = options.spec.width * kTileHeight / options.spec.height;
  Image sheet = make_picture(kSheetColumns * 2 * (width + kGap) - kGap,
                             kHead + kSheetRows * (kTileHeight + kGap) - kGap, {20, 20, 24});
  const std::array<const char*, 4> captions = {"visible, day", "thermal, day", "visible, night",
                                               "thermal, night"};
  for (std::size_t i = 0; i < captions.size(); ++i)
    draw_text(sheet, static_cast<std::int64_t>(i) * (width + kGap) + 4, 5, captions[i],
              {220, 220, 220});
  const std::vector<std::int64_t> pairs = sheet_pairs(index);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i] < 0) continue;
    const Pair& pair = index[pairs[i]];
    const auto row = static_cast<std::int64_t>(i) / kSheetColumns;
    const auto column = static_cast<std::int64_t>(i) % kSheetColumns;
    const std::int64_t x = column * 2 * (width + kGap), y = kHead + row * (kTileHeight + kGap);
    paste(sheet, sheet_tile(folder, pair, pair.visible), x, y);
    paste(sheet, sheet_tile(folder, pair, pair.thermal), x + width + kGap, y);
  }
  write_image(options.sheet, sheet, 88);
}

struct Sizes {
  std::int64_t small = 0, medium = 0, large = 0;
};

// KAIST's bounds of 45 and 115 pixels at a height of 512.
Sizes box_sizes(const PairIndex& index) {
  Sizes sizes;
  for (std::int64_t i = 0; i < index.size(); ++i)
    for (const PairBox& box : index[i].boxes) {
      if (box.ignore) continue;
      const double height = (box.box[3] - box.box[1]) * 512 / index[i].height;
      ++(height < 45 ? sizes.small : height < 115 ? sizes.medium : sizes.large);
    }
  return sizes;
}

void describe(const char* name, const PairReport& report, std::ostream& out) {
  std::int64_t night = 0;
  std::array<std::int64_t, 3> occluded{};
  for (std::int64_t i = 0; i < report.index.size(); ++i) {
    night += is_night_set(report.index[i].id);
    for (const PairBox& box : report.index[i].boxes)
      if (!box.ignore) ++occluded[static_cast<std::size_t>(box.occlusion)];
  }
  const Sizes sizes = box_sizes(report.index);
  out << fmt::format("{:<9} {} pairs, {} at night, {} without a pedestrian\n", name,
                     report.index.size(), night, report.empty)
      << fmt::format(
             "          {} pedestrians: {} near, {} medium, {} far; {} partly, {} heavily "
             "occluded; {} regions to ignore\n",
             report.positive, sizes.large, sizes.medium, sizes.small, occluded[1], occluded[2],
             report.ignored);
}

PairReport read_list(const DataFolder& folder, const char* list) {
  PairSource source;
  source.list = list;
  PairReport report = read_pairs(folder, source);
  // A set in which nobody stands is what was asked for.
  if (!report.problems.empty() && report.problems.front().id != "KT-DATA-016")
    (void)require_pairs(std::move(report), folder);
  return report;
}

void check_sheet_name(const std::filesystem::path& sheet) {
  const std::string extension = sheet.extension().string();
  if (!sheet.empty() && extension != ".png" && extension != ".jpg" && extension != ".jpeg")
    throw_fault("KT-CLI-001", "--sheet: found '{}', wanted a name in .png or .jpg",
                printable(sheet.string(), 200));
}

}  // namespace

int run_synth(const SynthOptions& options, std::ostream& out) {
  const SynthSpec& spec = options.spec;
  check_sheet_name(options.sheet);
  const auto begin = std::chrono::steady_clock::now();
  const bool made = ensure_synth(options.root, spec, options.threads);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const DataFolder folder(options.root);
  const PairReport train = read_list(folder, kSynthTrainList);
  const PairReport val = read_list(folder, kSynthValList);
  out << fmt::format("data      {} (kaist, lists '{}' and '{}')\n", options.root.string(),
                     kSynthTrainList, kSynthValList)
      << fmt::format("images    {}x{}, quality {:.3g}: {:.3g} photons from white in daylight\n",
                     spec.width, spec.height, spec.quality, synth_photons(spec.quality));
  describe(kSynthTrainList, train, out);
  describe(kSynthValList, val, out);
  if (made)
    out << fmt::format("made      {} pairs in {:.1f} s, {:.0f} ms each\n",
                       spec.train_pairs + spec.val_pairs, seconds,
                       1000 * seconds / static_cast<double>(spec.train_pairs + spec.val_pairs));
  else
    out << fmt::format("complete  nothing to make; checked in {:.2f} s\n", seconds);
  if (!options.sheet.empty()) {
    write_sheet(options, folder, train.index);
    out << fmt::format("sheet     {}\n", options.sheet.string());
  }
  return 0;
}

}  // namespace ktrain
