#include "data/synth/synth.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include <fmt/ranges.h>

#include "data/folder.h"
#include "data/synth/disk.h"
#include "data/synth/manifest.h"
#include "data/synth/render.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
using synth::make_folder;
using synth::SceneId;
using synth::shown;
using synth::write_bytes;
using synth::write_text;

constexpr int kJpegQuality = 95;
constexpr std::int64_t kMaxThreads = 256;

void check_spec(const SynthSpec& spec) {
  const auto need = [](bool good, std::string_view name, auto found, std::string_view wanted) {
    if (!good) throw_fault("KT-DATA-021", "synth: {} is {}, wanted {}", name, found, wanted);
  };
  need(spec.train_pairs >= 1 && spec.train_pairs <= 1'000'000, "train_pairs", spec.train_pairs,
       "1 to 1000000");
  need(spec.val_pairs >= 1 && spec.val_pairs <= 1'000'000, "val_pairs", spec.val_pairs,
       "1 to 1000000");
  need(spec.width >= 32 && spec.width <= 4096, "width", spec.width, "32 to 4096");
  need(spec.height >= 32 && spec.height <= 4096, "height", spec.height, "32 to 4096");
  need(spec.quality >= 0 && spec.quality <= 1, "quality", spec.quality, "0 to 1");
  need(spec.night >= 0 && spec.night <= 1, "night", spec.night, "0 to 1");
  need(spec.empty >= 0 && spec.empty <= 1, "empty", spec.empty, "0 to 1");
  need(spec.crowding >= 0 && spec.crowding <= 10, "crowding", spec.crowding, "0 to 10");
  need(spec.shift >= 0 && spec.shift <= 64, "shift", spec.shift, "0 to 64");
}

// Runs work(i) for every i below `count`; the first exception ends it and is thrown here.
template <class Work>
void in_threads(int threads, std::int64_t count, const Work& work) {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  const auto run = [&] {
    try {
      for (std::int64_t i = next++; i < count; i = next++) work(i);
    } catch (...) {  // carried to the caller's thread
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> workers;
  for (std::int64_t i = 1; i < std::min<std::int64_t>({threads, count, kMaxThreads}); ++i)
    workers.emplace_back(run);
  run();
  for (std::thread& worker : workers) worker.join();
  if (error) std::rethrow_exception(error);
}

struct PairPaths {
  std::string visible, thermal, annotation;
  explicit PairPaths(const std::string& id) {
    const std::size_t slash = id.rfind('/');
    const std::string video = id.substr(0, slash), frame = id.substr(slash + 1);
    visible = "images/" + video + "/visible/" + frame + ".jpg";
    thermal = "images/" + video + "/lwir/" + frame + ".jpg";
    annotation = "annotations/" + id + ".txt";
  }
};

std::int64_t write_pair(const fs::path& root, const SynthSpec& spec, SceneId id) {
  const synth::RenderedPair pair = synth::render_pair(spec, id);
  const PairPaths paths(synth::pair_id(spec, id));
  const auto visible = encode_jpeg(pair.visible, kJpegQuality);
  const auto thermal = encode_jpeg(pair.thermal, kJpegQuality);
  const std::string text = synth::bbgt_text(pair.labels);
  write_bytes(root / paths.visible, visible.data(), visible.size());
  write_bytes(root / paths.thermal, thermal.data(), thermal.size());
  write_text(root / paths.annotation, text);
  return static_cast<std::int64_t>(visible.size() + thermal.size() + text.size());
}

SceneId scene_of(const SynthSpec& spec, std::int64_t i) {
  return i < spec.train_pairs ? SceneId{false, i} : SceneId{true, i - spec.train_pairs};
}

void write_set(const fs::path& root, const SynthSpec& spec, int threads) {
  const std::int64_t pairs = spec.train_pairs + spec.val_pairs;
  make_folder(root / "imageSets");
  for (std::int64_t i = 0; i < pairs; ++i) {
    const PairPaths paths(synth::pair_id(spec, scene_of(spec, i)));
    for (const std::string* path : {&paths.visible, &paths.thermal, &paths.annotation})
      make_folder((root / *path).parent_path());
  }
  std::atomic<std::int64_t> bytes{0};
  in_threads(threads, pairs,
             [&](std::int64_t i) { bytes += write_pair(root, spec, scene_of(spec, i)); });
  for (const bool val : {false, true})
    write_text(root / "imageSets" / (std::string(val ? kSynthValList : kSynthTrainList) + ".txt"),
               synth::list_text(spec, val));
  write_text(root / synth::kManifestName, synth::manifest_text(spec, bytes));
}

void check_files(const DataFolder& folder, const SynthSpec& spec, std::int64_t wanted_bytes) {
  const auto incomplete = [&](const std::string& what) {
    throw_fault("KT-DATA-020", "{}: {}; remove the folder, or name another, and it is made anew",
                shown(folder.root()), what);
  };
  std::int64_t bytes = 0;
  for (std::int64_t i = 0; i < spec.train_pairs + spec.val_pairs; ++i) {
    const PairPaths paths(synth::pair_id(spec, scene_of(spec, i)));
    for (const std::string* path : {&paths.visible, &paths.thermal, &paths.annotation}) {
      const auto size = folder.file_bytes(*path);
      if (!size) incomplete(*path + " is missing");
      bytes += *size;
    }
  }
  for (const bool val : {false, true}) {
    const std::string list = fmt::format("imageSets/{}.txt", val ? kSynthValList : kSynthTrainList);
    if (!folder.has_file(list)) incomplete(list + " is missing");
    if (folder.read_text(list, 64 << 20) != synth::list_text(spec, val))
      incomplete(list + " was changed");
  }
  if (bytes != wanted_bytes)
    incomplete(fmt::format("images and annotations have {} bytes, {} says {}", bytes,
                           synth::kManifestName, wanted_bytes));
}

void check_set(const fs::path& root, const SynthSpec& spec) {
  const DataFolder folder(root);
  synth::ManifestCheck check;
  if (folder.has_file(synth::kManifestName))
    check = synth::check_manifest(folder.read_text(synth::kManifestName, 1 << 20), spec);
  if (!check.is_manifest)
    throw_fault("KT-DATA-018",
                "{}: the folder is not empty and holds no set made by ktrain ({}); name another "
                "folder",
                shown(root), synth::kManifestName);
  if (!check.differences.empty())
    throw_fault("KT-DATA-019", "{}: holds a set of another kind: {}; name another folder",
                shown(root), fmt::join(check.differences, "; "));
  check_files(folder, spec, check.bytes);
}

bool is_there(const fs::path& target) {
  std::error_code error;
  const fs::file_status status = fs::status(target, error);
  if (status.type() == fs::file_type::not_found) return false;
  if (status.type() != fs::file_type::directory)
    throw_fault("KT-DATA-018", "{}: is no folder; name another place for the data set",
                shown(target));
  const bool empty = fs::is_empty(target, error);
  if (error) synth::fail_io(target, "the folder cannot be read", error.value());
  return !empty;
}

}  // namespace

double synth_photons(double quality) { return 4 * std::pow(1000, quality); }
double synth_quality(double photons) { return std::log10(photons / 4) / 3; }

bool ensure_synth(const fs::path& folder, const SynthSpec& spec, int threads) {
  check_spec(spec);
  fs::path target = fs::absolute(folder).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // it ended in '/'
  make_folder(target.parent_path());
  const synth::ParentLock lock(target.parent_path());
  if (is_there(target)) {
    check_set(target, spec);
    return false;
  }
  synth::UnfinishedFolder unfinished(target.string() + ".unfinished", lock);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  write_set(unfinished.path(), spec, threads > 0 ? threads : cores);
  unfinished.finish(target);
  return true;
}

}  // namespace ktrain
