#include "train/run_state.h"

#include <algorithm>
#include <charconv>

#include "runtime/fault.h"
#include "train/plan_keys.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

std::int64_t whole_number(const LoadedCheckpoint& from, const std::string& key) {
  const std::string& text = from.metadata(key);
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    throw_fault("KT-CKPT-003", "{}: metadata '{}' is '{}', wanted a whole number", from.path(), key,
                printable(text));
  return value;
}

// A checkpoint from before a key existed was made with what is the key's default now.
Metadata with_defaults(Metadata found) {
  Plan plan;
  for (const PlanKey& key : plan_keys(plan))
    if (!key.may_change) found.try_emplace(fmt::format("plan.{}", key.name), value_text(key));
  return found;
}

Metadata plan_identity(const Plan& plan) {
  Plan copy = plan;
  Metadata identity;
  for (const PlanKey& key : plan_keys(copy))
    if (!key.may_change) identity[fmt::format("plan.{}", key.name)] = value_text(key);
  return identity;
}

}  // namespace

Metadata identity_of(const Plan& plan, const DataSet& data) {
  Metadata identity = plan_identity(plan);
  identity["data.train"] = data.train.index.manifest_hash();
  identity["data.val"] = data.val.index.manifest_hash();
  return identity;
}

std::vector<NamedArray> state_arrays(const TrainingStep& training) {
  std::vector<NamedArray> arrays = parameter_arrays(training.parameters());
  for (NamedArray& array : training.optimizer().state()) arrays.push_back(std::move(array));
  if (training.average())
    for (NamedArray& array : training.average()->state()) arrays.push_back(std::move(array));
  for (const NamedTensor& own : training.auxiliary().state())
    arrays.push_back(named_array(own.name, own.tensor));
  for (NamedArray& array : training.monitor().state()) arrays.push_back(std::move(array));
  return arrays;
}

Metadata state_metadata(const Metadata& identity, const Progress& progress, const EarlyStop& stop,
                        const std::string& init) {
  Metadata metadata = identity;
  metadata["epoch"] = std::to_string(progress.epoch);
  metadata["validated_epoch"] = std::to_string(progress.validated_epoch);
  metadata["ended"] = progress.ended;
  metadata["early_stop"] = stop.state();
  metadata["init"] = init;
  metadata["threads"] = std::to_string(progress.threads);
  return metadata;
}

Progress restore_state(const LoadedCheckpoint& from, const Metadata& identity,
                       TrainingStep& training, EarlyStop& stop) {
  check_identity(from.path(), with_defaults(from.metadata()), identity);
  Progress progress;
  progress.step = from.step();
  progress.epoch = whole_number(from, "epoch");
  progress.validated_epoch = whole_number(from, "validated_epoch");
  progress.ended = from.metadata("ended");
  progress.threads = whole_number(from, "threads");
  // The plain weights: the average is restored as what it is.
  LoadOptions plain;
  plain.prefer_average = false;
  (void)load_weights(from, training.parameters(), plain);
  training.optimizer().restore(from);
  if (training.average()) training.average()->restore(from);
  for (const NamedTensor& own : training.auxiliary().state())
    load_tensor(from, own.name, own.tensor);
  stop.restore(from.metadata("early_stop"));
  return progress;
}

std::optional<std::int64_t> threads_of_run(FileSystem& files, const std::string& folder) {
  try {
    std::int64_t newest = -1;
    for (const FileSystem::Entry& entry : files.list(folder))
      newest = std::max(newest, checkpoint_step(entry.name).value_or(-1));
    if (newest < 0) return std::nullopt;
    const Metadata metadata =
        read_checkpoint_header(files, folder + "/" + checkpoint_name(newest)).metadata;
    const auto found = metadata.find("threads");
    if (found == metadata.end()) return std::nullopt;
    std::int64_t threads = 0;
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), threads);
    return threads > 0 ? std::optional(threads) : std::nullopt;
  } catch (const Error&) {
    // No folder, or a damaged file: resuming says what is wrong with it.
    return std::nullopt;
  }
}

void check_made_by(const LoadedCheckpoint& from, const Plan& plan) {
  check_identity(from.path(), with_defaults(from.metadata()), plan_identity(plan));
}

}  // namespace ktrain
