#include "train/fast_check.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "kernels/parallel.h"
#include "runtime/fault.h"
#include "train/initial_weights.h"
#include "train/run_folder.h"
#include "train/run_setup.h"
#include "train/run_state.h"

namespace ktrain {
namespace {

constexpr std::int64_t kSteps = 2;

bool same(const NamedArray& a, const NamedArray& b) {
  return a.spec.name == b.spec.name && a.bytes.size() == b.bytes.size() &&
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

bool same(const metrics::Detection& a, const metrics::Detection& b) {
  return a.score == b.score && a.label == b.label && a.box.x == b.box.x && a.box.y == b.box.y &&
         a.box.w == b.box.w && a.box.h == b.box.h;
}

std::int64_t count(const std::vector<metrics::Detections>& found) {
  std::int64_t boxes = 0;
  for (const auto& image : found) boxes += std::ssize(image);
  return boxes;
}

void compare(const TrainingStep& first, const TrainingStep& second,
             const std::vector<metrics::Detections>& found,
             const std::vector<metrics::Detections>& again) {
  const auto left = state_arrays(first), right = state_arrays(second);
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i)
    if (i >= left.size() || i >= right.size() || !same(left[i], right[i]))
      throw_fault("KT-BUG-003", "'{}' differs after saving and reloading",
                  i < left.size() ? left[i].spec.name : right[i].spec.name);
  const auto equal = [](const metrics::Detections& a, const metrics::Detections& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return same(x, y); });
  };
  if (!std::equal(found.begin(), found.end(), again.begin(), again.end(), equal))
    throw_fault("KT-BUG-003", "the reloaded detector finds other boxes");
}

}  // namespace

int fast_check(const ResolvedPlan& resolved, const std::string& folder, Console& console) {
  const Notice notice = [&](const std::string& line) { console.text("notice    " + line); };
  RunSetup setup(resolved, notice);
  console.text(setup.heading());
  const InitPlan& init = setup.plan().init;
  console.text(init.plan.empty()
                   ? "init      " + load_initial_weights(real_file_system(), resolved, nullptr, "",
                                                         setup.training(), notice)
                   : fmt::format("init      random numbers: {} is not run for a check", init.plan));
  setup.seek(0);
  for (std::int64_t step = 0; step < kSteps; ++step) {
    StepReport report = setup.train_step(step);
    setup.training().finish(report);
    console.text(fmt::format("step {}    loss {:.4f}  |g| {:.3f}", step + 1, report.values.total,
                             report.gradient_norm));
  }
  const auto found = setup.detect_first_batch();

  FileSystem& files = real_file_system();
  std::error_code error;
  if (std::filesystem::exists(folder, error)) (void)archive_run_folder(files, folder);
  std::string saved;
  {
    const FolderLock lock(files, folder, notice);
    CheckpointOptions quiet;
    quiet.notice = [](const std::string&) {};
    CheckpointFolder weights(files, lock, "weights", quiet);
    const Metadata identity = identity_of(setup.plan(), setup.data());
    EarlyStop stop(setup.plan().stop);
    saved =
        weights
            .save(kSteps, state_arrays(setup.training()),
                  state_metadata(identity, {kSteps, 0, 0, "", num_threads()}, stop, "fast check"))
            .path;
    RunSetup second(resolved, notice);
    const auto loaded = weights.resume();
    KT_CHECK(loaded.has_value(), "fast check: the checkpoint is gone");
    (void)restore_state(*loaded, identity, second.training(), stop);
    compare(setup.training(), second.training(), found, second.detect_first_batch());
  }
  std::filesystem::remove_all(folder, error);
  console.record(fmt::format(R"({{"kind":"fast_check","passed":true,"steps":{},"boxes":{}}})",
                             kSteps, count(found)));
  console.result(fmt::format(
      "fast check passed: {} steps, {} boxes on the first validation batch, saved, reloaded, equal "
      "to the bit",
      kSteps, count(found)));
  return 0;
}

}  // namespace ktrain
