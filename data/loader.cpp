#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "data/pair_identity.h"
#include "runtime/fault.h"
#include "runtime/random.h"

namespace ktrain {
namespace {

constexpr std::size_t kChannels = 3;

struct ResizedPair {
  Image visible, thermal;
  [[nodiscard]] std::int64_t num_bytes() const {
    return static_cast<std::int64_t>(visible.num_bytes() + thermal.num_bytes());
  }
};

void copy_padded(const Image& image, bool flip, Size size, std::uint8_t* out) {
  const std::size_t row = static_cast<std::size_t>(image.width) * kChannels;
  const std::size_t out_row = static_cast<std::size_t>(size.width) * kChannels;
  std::memset(out, 0, out_row * static_cast<std::size_t>(size.height));
  for (int y = 0; y < image.height; ++y, out += out_row) {
    const std::uint8_t* in = image.rgb.data() + static_cast<std::size_t>(y) * row;
    if (!flip) {
      std::memcpy(out, in, row);
      continue;
    }
    for (std::size_t at = 0; at < row; at += kChannels)
      std::memcpy(out + at, in + row - kChannels - at, kChannels);
  }
}

}  // namespace

std::vector<std::int64_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch,
                                      bool shuffle) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  if (!shuffle) return order;
  const RandomKey key =
      random_key(seed, RandomStream::kPairOrder, static_cast<std::uint32_t>(epoch));
  // Fisher and Yates: each permutation exactly as likely as the other.
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[uniform_integer(key, 0, static_cast<std::uint32_t>(i),
                                                  static_cast<std::uint32_t>(i))]);
  return order;
}

std::int64_t steps_per_epoch(std::int64_t size, int batch, LastBatch last) {
  return last == LastBatch::kDrop ? size / batch : (size + batch - 1) / batch;
}

struct Loader::State {
  enum class Phase : std::uint8_t { kFree, kFilling, kReady };
  struct Slot {
    PairBatch batch;
    Phase phase = Phase::kFree;
    std::exception_ptr error;
  };

  State(const PairIndex& pairs, const DataFolder& files, const LoaderOptions& given)
      : index(pairs), folder(files), options(given), identities(pair_identities(pairs)) {}

  const PairIndex& index;
  const DataFolder& folder;
  LoaderOptions options;
  std::vector<PairIdentity> identities;
  std::int64_t epoch_steps = 0;
  std::vector<Slot> slots;
  std::vector<std::thread> workers;
  double waited = 0;

  std::mutex mutex;  // of everything below, and of the phases of `slots`
  std::condition_variable changed;
  std::int64_t claim = 0;     // the next step that a worker takes
  std::int64_t consumed = 0;  // the next step that next() gives
  bool holding = false;       // the consumer still reads the batch before `consumed`
  bool stopping = false;
  std::int64_t order_epoch = -1;
  std::shared_ptr<const std::vector<std::int64_t>> order;
  std::map<std::int64_t, std::shared_ptr<const ResizedPair>> cache;
  std::int64_t cached_bytes = 0;

  void check_options();
  [[nodiscard]] PairBatch empty_batch() const;
  std::shared_ptr<const std::vector<std::int64_t>> order_of(std::int64_t epoch);
  std::shared_ptr<const ResizedPair> load(std::int64_t place);
  void put_boxes(const std::vector<PairBox>& from, bool ignore, std::size_t slot,
                 PairBatch& batch) const;
  void put_pair(std::int64_t place, std::size_t slot, PairBatch& batch);
  void clear(std::size_t slot, PairBatch& batch) const;
  void fill(std::int64_t step, PairBatch& batch);
  void work();
  void stop();
  void start();
};

void Loader::State::check_options() {
  const auto refuse = [](const std::string& what) { throw Fault("KT-DATA-017", what); };
  if (options.batch < 1 || options.workers < 0 || options.queue < 1)
    refuse(fmt::format("batch {}, workers {}, queue {}: wanted at least 1, 0, 1", options.batch,
                       options.workers, options.queue));
  if (options.scale.long_side < 1 || options.scale.short_side < 1)
    refuse(fmt::format("data.size {}x{}", options.scale.long_side, options.scale.short_side));
  Size needed;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    const Size size = resized({index[i].height, index[i].width}, options.scale);
    needed = {std::max(needed.height, size.height), std::max(needed.width, size.width)};
  }
  if (options.padded_size == Size{}) options.padded_size = padded(needed);
  if (needed.height > options.padded_size.height || needed.width > options.padded_size.width)
    refuse(fmt::format("pairs become {}x{} pixels, the batch has room for {}x{}", needed.width,
                       needed.height, options.padded_size.width, options.padded_size.height));
  int most = 1;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    const auto ignore =
        static_cast<int>(std::count_if(index[i].boxes.begin(), index[i].boxes.end(),
                                       [](const PairBox& box) { return box.ignore; }));
    most = std::max({most, ignore, static_cast<int>(index[i].boxes.size()) - ignore});
  }
  if (options.max_boxes == 0) options.max_boxes = most;
  if (options.max_boxes < most)
    refuse(fmt::format("a pair has {} boxes or ignored regions, data.max_boxes is {}", most,
                       options.max_boxes));
  epoch_steps = ktrain::steps_per_epoch(index.size(), options.batch, options.last);
  if (epoch_steps == 0)
    throw_fault("KT-DATA-016", "{} pairs do not make one batch of {}", index.size(), options.batch);
}

PairBatch Loader::State::empty_batch() const {
  PairBatch batch;
  batch.batch = options.batch;
  batch.height = options.padded_size.height;
  batch.width = options.padded_size.width;
  batch.max_boxes = options.max_boxes;
  const auto images = static_cast<std::size_t>(options.batch);
  const std::size_t bytes = images * static_cast<std::size_t>(batch.height) *
                            static_cast<std::size_t>(batch.width) * kChannels;
  batch.visible.resize(bytes);
  batch.thermal.resize(bytes);
  batch.sizes.resize(images);
  batch.original_sizes.resize(images);
  batch.scale_x.resize(images);
  batch.scale_y.resize(images);
  batch.boxes.resize(images * static_cast<std::size_t>(batch.max_boxes) * 4);
  batch.ignored.resize(batch.boxes.size());
  batch.box_counts.resize(images);
  batch.ignored_counts.resize(images);
  batch.flipped.resize(images);
  batch.indices.resize(images);
  batch.groups.resize(images);
  batch.frames.resize(images);
  return batch;
}

std::shared_ptr<const std::vector<std::int64_t>> Loader::State::order_of(std::int64_t epoch) {
  const std::lock_guard lock(mutex);
  if (epoch != order_epoch) {
    order = std::make_shared<const std::vector<std::int64_t>>(
        epoch_order(index.size(), options.seed, epoch, options.shuffle));
    order_epoch = epoch;
  }
  return order;
}

std::shared_ptr<const ResizedPair> Loader::State::load(std::int64_t place) {
  {
    const std::lock_guard lock(mutex);
    if (const auto found = cache.find(place); found != cache.end()) return found->second;
  }
  const Pair& pair = index[place];
  const ImageLimits limits;
  const Size size = resized({pair.height, pair.width}, options.scale);
  auto loaded = std::make_shared<ResizedPair>();
  std::vector<std::uint8_t> bytes;
  Image full;
  for (const auto& [path, image] :
       {std::pair(&pair.visible, &loaded->visible), std::pair(&pair.thermal, &loaded->thermal)}) {
    folder.read(*path, limits.max_file_bytes, bytes);
    const std::string shown = folder.shown(*path);
    decode_image({shown, bytes}, full, limits);
    if (full.width != pair.width || full.height != pair.height)
      throw_fault("KT-DATA-012", "{}: {}x{} pixels now, {}x{} when the index was built", shown,
                  full.width, full.height, pair.width, pair.height);
    resize_bilinear(full, size, *image);
  }
  const std::lock_guard lock(mutex);
  if (cached_bytes + loaded->num_bytes() <= options.cache_bytes &&
      cache.emplace(place, loaded).second)
    cached_bytes += loaded->num_bytes();
  return loaded;
}

// Those boxes whose flag is `ignore`, into the list that is theirs.
void Loader::State::put_boxes(const std::vector<PairBox>& from, bool ignore, std::size_t slot,
                              PairBatch& batch) const {
  const auto stride = static_cast<std::size_t>(batch.max_boxes) * 4;
  float* out = (ignore ? batch.ignored : batch.boxes).data() + slot * stride;
  std::fill_n(out, stride, 0.0f);
  const float width = static_cast<float>(batch.sizes[slot].width);
  const float height = static_cast<float>(batch.sizes[slot].height);
  std::int32_t count = 0;
  for (const PairBox& box : from) {
    if (box.ignore != ignore) continue;
    const auto scaled = [&](std::size_t corner, float scale, float limit) {
      return std::min(static_cast<float>(box.box[corner]) * scale, limit);
    };
    const float x1 = scaled(0, batch.scale_x[slot], width);
    const float x2 = scaled(2, batch.scale_x[slot], width);
    *out++ = batch.flipped[slot] ? width - x2 : x1;
    *out++ = scaled(1, batch.scale_y[slot], height);
    *out++ = batch.flipped[slot] ? width - x1 : x2;
    *out++ = scaled(3, batch.scale_y[slot], height);
    ++count;
  }
  (ignore ? batch.ignored_counts : batch.box_counts)[slot] = count;
}

void Loader::State::put_pair(std::int64_t place, std::size_t slot, PairBatch& batch) {
  const Pair& pair = index[place];
  const auto loaded = load(place);
  const RandomKey key =
      random_key(options.seed, RandomStream::kAugment, static_cast<std::uint32_t>(batch.epoch));
  const bool flip =
      uniform_double(random_words(key, static_cast<std::uint32_t>(place), 0)) < options.flip;
  const std::size_t bytes = batch.visible.size() / static_cast<std::size_t>(batch.batch);
  copy_padded(loaded->visible, flip, options.padded_size, batch.visible.data() + slot * bytes);
  copy_padded(loaded->thermal, flip, options.padded_size, batch.thermal.data() + slot * bytes);
  batch.sizes[slot] = {loaded->visible.height, loaded->visible.width};
  batch.original_sizes[slot] = {pair.height, pair.width};
  batch.scale_x[slot] =
      static_cast<float>(batch.sizes[slot].width) / static_cast<float>(pair.width);
  batch.scale_y[slot] =
      static_cast<float>(batch.sizes[slot].height) / static_cast<float>(pair.height);
  batch.flipped[slot] = flip;
  batch.indices[slot] = place;
  batch.groups[slot] = identities[static_cast<std::size_t>(place)].group;
  batch.frames[slot] = identities[static_cast<std::size_t>(place)].frame;
  for (const bool ignore : {false, true}) put_boxes(pair.boxes, ignore, slot, batch);
}

void Loader::State::clear(std::size_t slot, PairBatch& batch) const {
  const std::size_t bytes = batch.visible.size() / static_cast<std::size_t>(batch.batch);
  std::memset(batch.visible.data() + slot * bytes, 0, bytes);
  std::memset(batch.thermal.data() + slot * bytes, 0, bytes);
  batch.sizes[slot] = batch.original_sizes[slot] = {};
  batch.scale_x[slot] = batch.scale_y[slot] = 0;
  batch.flipped[slot] = 0;
  batch.indices[slot] = batch.groups[slot] = batch.frames[slot] = -1;
  for (const bool ignore : {false, true}) put_boxes({}, ignore, slot, batch);
}

void Loader::State::fill(std::int64_t step, PairBatch& batch) {
  batch.step = step;
  batch.epoch = step / epoch_steps;
  batch.count = 0;
  const auto places = order_of(batch.epoch);
  const std::int64_t first = step % epoch_steps * options.batch;
  for (std::int64_t i = 0; i < options.batch; ++i) {
    const std::int64_t at = first + i;
    if (at >= index.size() && options.last == LastBatch::kPartial) {
      clear(static_cast<std::size_t>(i), batch);
      continue;
    }
    put_pair((*places)[static_cast<std::size_t>(at % index.size())], static_cast<std::size_t>(i),
             batch);
    ++batch.count;
  }
}

// A step belongs to slot step % slots; its turn comes when the consumer has let go of that slot.
void Loader::State::work() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] {
      const std::int64_t oldest = consumed - (holding ? 1 : 0);
      return stopping || claim < oldest + static_cast<std::int64_t>(slots.size());
    });
    if (stopping) return;
    const std::int64_t step = claim++;
    Slot& slot = slots[static_cast<std::size_t>(step) % slots.size()];
    slot.phase = Phase::kFilling;
    slot.error = nullptr;
    lock.unlock();
    std::exception_ptr error;
    try {
      fill(step, slot.batch);
    } catch (...) {  // carried to the consumer's thread, at its step
      error = std::current_exception();
    }
    lock.lock();
    slot.error = error;
    slot.phase = Phase::kReady;
    changed.notify_all();
  }
}

void Loader::State::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  for (std::thread& worker : workers) worker.join();
  workers.clear();
  stopping = false;
}

void Loader::State::start() {
  for (int i = 0; i < options.workers; ++i) workers.emplace_back([this] { work(); });
}

Loader::Loader(const PairIndex& index, const DataFolder& folder, const LoaderOptions& options)
    : state_(std::make_unique<State>(index, folder, options)) {
  state_->check_options();
  state_->slots.resize(
      options.workers == 0 ? 1 : static_cast<std::size_t>(options.queue + options.workers + 1));
  for (State::Slot& slot : state_->slots) slot.batch = state_->empty_batch();
  state_->start();
}

Loader::~Loader() { state_->stop(); }

std::int64_t Loader::steps_per_epoch() const { return state_->epoch_steps; }
Size Loader::padded_size() const { return state_->options.padded_size; }
int Loader::max_boxes() const { return state_->options.max_boxes; }
double Loader::wait_seconds() const { return state_->waited; }

void Loader::seek(std::int64_t step) {
  KT_CHECK(step >= 0, "Loader::seek: step {}", step);
  state_->stop();
  state_->claim = state_->consumed = step;
  state_->holding = false;
  for (State::Slot& slot : state_->slots) slot.phase = State::Phase::kFree;
  state_->start();
}

const PairBatch& Loader::next() {
  State& state = *state_;
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(state.mutex);
  const std::int64_t step = state.consumed;
  State::Slot& slot = state.slots[static_cast<std::size_t>(step) % state.slots.size()];
  if (state.options.workers == 0) {
    lock.unlock();
    state.fill(step, slot.batch);
    lock.lock();
  } else {
    state.holding = false;  // the caller is done with the batch before
    state.changed.notify_all();
    state.changed.wait(lock, [&] {
      return slot.phase == State::Phase::kReady && (slot.error || slot.batch.step == step);
    });
    if (slot.error) std::rethrow_exception(slot.error);
    slot.phase = State::Phase::kFree;
  }
  ++state.consumed;
  state.holding = state.options.workers > 0;
  state.waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return slot.batch;
}

}  // namespace ktrain
