#include "data/pair_index.h"

#include <algorithm>

#include "data/image_io.h"
#include "data/pair_boxes.h"
#include "data/pair_list.h"
#include "data/presets.h"
#include "runtime/fault.h"
#include "runtime/sha256.h"

namespace ktrain {
namespace {

constexpr std::int64_t kHeadBytes = 256 << 10;  // where an image's header must end
constexpr std::int64_t kTailBytes = 8;          // enough for an end mark
constexpr std::int64_t kAnnotationBytes = 16 << 20;

// Whether a file of this kind that ends in `tail` ends as a whole one does. BMP has no mark.
bool has_end_mark(ImageFormat format, const std::vector<std::uint8_t>& tail) {
  const auto ends = [&](std::initializer_list<std::uint8_t> mark) {
    return tail.size() >= mark.size() &&
           std::equal(mark.begin(), mark.end(), tail.end() - std::ssize(mark));
  };
  if (format == ImageFormat::kJpeg) return ends({0xFF, 0xD9});
  if (format == ImageFormat::kPng) return ends({'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82});
  return false;
}

class PairReader {
 public:
  PairReader(const DataFolder& folder, const PairSource& source, bool whole_images)
      : folder_(folder),
        preset_(find_preset(source.layout)),
        choice_(box_choice(preset_, source.boxes)),
        skip_empty_(source.skip_empty),
        whole_images_(whole_images),
        boxes_(resolve_labels(source.labels, preset_.labels),
               source.origin.value_or(preset_.origin)) {}

  void read(ListedPair& listed, PairReport& report) {
    Pair pair = {
        listed.id, listed.visible, listed.thermal, listed.annotations.front(), listed.group, 0, 0,
        {}};
    const std::size_t before = report.problems.size();
    const auto sound = [&] { return report.problems.size() == before; };
    check_partners(listed, report);
    if (sound()) read_images(pair, report);
    bool usable = sound();
    // The annotation of a pair with a damaged image is read all the same, for what it says wrong.
    if (usable)
      collect(pair, report, [&] { usable = read_boxes(listed, pair, report); });
    else
      read_annotations_alone(listed, report);
    if (!sound() || !usable) return;
    const bool empty = std::none_of(pair.boxes.begin(), pair.boxes.end(),
                                    [](const PairBox& box) { return !box.ignore; });
    report.empty += empty;
    report.skipped += empty && skip_empty_;
    if (empty && skip_empty_) return;
    if (!report.index.add(std::move(pair)))
      report.problems.push_back(
          {"KT-DATA-015", fmt::format("{}: listed twice, again at {}", listed.id, listed.place),
           listed.id});
  }

  void finish(PairReport& report) const { boxes_.report_unknown(report); }

 private:
  // A Fault of `work` becomes a line of the report.
  template <class Work>
  void collect(const Pair& pair, PairReport& report, Work&& work) {
    try {
      work();
    } catch (const Fault& fault) {
      const std::string text = fault.what();
      report.problems.push_back({fault.id(), text.substr(fault.id().size() + 2), pair.id});
    }
  }

  void check_partners(const ListedPair& listed, PairReport& report) const {
    const auto check = [&](const char* what, const std::string& path) {
      if (!folder_.has_file(path))
        report.problems.push_back({"KT-DATA-011",
                                   fmt::format("{}: the {} is missing ({}), named at {}", listed.id,
                                               what, folder_.shown(path), listed.place),
                                   listed.id});
    };
    check("visible image", listed.visible);
    check("thermal image", listed.thermal);
    if (!listed.contents.empty()) return;
    for (const std::string& path : listed.annotations)
      check(listed.annotations.size() == 1         ? "annotation"
            : &path == &listed.annotations.front() ? "visible annotation"
                                                   : "thermal annotation",
            path);
  }

  ImageInfo read_header(const std::string& path) {
    const std::string shown = folder_.shown(path);
    if (whole_images_) {
      folder_.read(path, ImageLimits{}.max_file_bytes, bytes_);
      check_image_complete({shown, bytes_});
      return image_info({shown, bytes_});
    }
    folder_.read_ends(path, kHeadBytes, kTailBytes, bytes_, tail_);
    const ImageInfo info = image_info({shown, bytes_});
    if (has_end_mark(info.format, tail_)) return info;
    // Cut off, or bytes of somebody else's behind the end: the whole file tells.
    folder_.read(path, ImageLimits{}.max_file_bytes, bytes_);
    check_image_complete({shown, bytes_});
    return info;
  }

  void read_images(Pair& pair, PairReport& report) {
    const std::size_t before = report.problems.size();
    ImageInfo visible, thermal;
    collect(pair, report, [&] { visible = read_header(pair.visible); });
    collect(pair, report, [&] { thermal = read_header(pair.thermal); });
    if (report.problems.size() != before) return;
    pair.width = visible.width;
    pair.height = visible.height;
    if (visible.width != thermal.width || visible.height != thermal.height)
      report.problems.push_back(
          {"KT-DATA-012",
           fmt::format("{}: visible is {}x{}, thermal {}x{} ({}, {})", pair.id, visible.width,
                       visible.height, thermal.width, thermal.height, folder_.shown(pair.visible),
                       folder_.shown(pair.thermal)),
           pair.id});
  }

  [[nodiscard]] NamedAnnotation read_annotation(ListedPair& listed, std::size_t i,
                                                const Pair& pair) const {
    NamedAnnotation named = {folder_.shown(listed.annotations[i]), {}};
    if (!listed.contents.empty()) {
      named.file = std::move(listed.contents[i]);
    } else {
      const std::string text = folder_.read_text(listed.annotations[i], kAnnotationBytes);
      named.file = parse_annotation({named.name, text});
    }
    const AnnotationFile& file = named.file;
    if (file.width != 0 && pair.width != 0 &&
        (file.width != pair.width || file.height != pair.height))
      throw_fault("KT-DATA-012", "{}: annotated size {}x{}, image {}x{} ({})", named.name,
                  file.width, file.height, pair.width, pair.height, folder_.shown(pair.visible));
    return named;
  }

  void read_annotations_alone(ListedPair& listed, PairReport& report) {
    Pair sizeless;
    sizeless.id = listed.id;
    for (std::size_t i = 0; i < listed.annotations.size() && listed.contents.empty(); ++i)
      if (folder_.has_file(listed.annotations[i]))
        collect(sizeless, report, [&] { (void)read_annotation(listed, i, sizeless); });
  }

  bool read_boxes(ListedPair& listed, Pair& pair, PairReport& report) {
    NamedAnnotation first = read_annotation(listed, 0, pair);
    if (listed.annotations.size() == 1) return boxes_.collect(first.file, first.name, pair, report);
    const NamedAnnotation second = read_annotation(listed, 1, pair);
    const bool thermal = choice_ == BoxChoice::kThermal;
    if (thermal) pair.annotation = listed.annotations[1];
    return boxes_.collect(merge_modalities(first, second, choice_),
                          thermal ? second.name : first.name, pair, report);
  }

  const DataFolder& folder_;
  const DataPreset& preset_;
  BoxChoice choice_;
  bool skip_empty_, whole_images_;
  BoxCollector boxes_;
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

std::string PairReport::list_hash() const {
  std::string text;
  for (const ListedName& name : names) text += name.id + '\n';
  return sha256_hex(text);
}

PairReport read_pairs(const DataFolder& folder, const PairSource& source, bool whole_images) {
  PairReport report;
  report.layout = source.layout;
  report.list = source.list;
  PairReader reader(folder, source, whole_images);
  PairList list = list_pairs(folder, source);
  report.problems = std::move(list.problems);
  for (ListedPair& listed : list.pairs) {
    ++report.listed;
    report.names.push_back({listed.id, listed.line});
    reader.read(listed, report);
  }
  reader.finish(report);
  if (report.problems.empty() && report.positive == 0)
    report.problems.push_back(
        {"KT-DATA-016", fmt::format("{}: list '{}' names {} pairs, none with a positive box",
                                    folder.root().string(), source.list, report.listed)});
  return report;
}

PairIndex require_pairs(PairReport report, const DataFolder& folder) {
  if (report.problems.empty()) return std::move(report.index);
  const DataProblem& first = report.problems.front();
  throw_fault(first.id,
              "{}; {} more problems in {} pairs; `ktrain check {} --layout {} --list {}` "
              "lists all",
              first.text, report.problems.size() - 1, report.listed, folder.root().string(),
              report.layout, report.list);
}

void require_disjoint(const PairReport& train, const PairReport& other) {
  std::int64_t shared = 0;
  std::string first;
  for (std::int64_t i = 0; i < other.index.size(); ++i)
    if (train.index.find(other.index[i].id) >= 0 && shared++ == 0) first = other.index[i].id;
  if (shared > 0)
    throw_fault("KT-DATA-032",
                "{}: in list '{}' and in list '{}', as are {} more; take them out "
                "of one (LIST:PREFIX and LIST:!PREFIX split a list)",
                printable(first), train.list, other.list, shared - 1);
}

}  // namespace ktrain
