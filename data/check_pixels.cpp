#include "data/check_pixels.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "data/image_io.h"
#include "runtime/fault.h"
#include "runtime/sha256.h"

namespace ktrain {
namespace {

// One image of a pair; buffers keep their memory from pair to pair.
class PixelReader {
 public:
  explicit PixelReader(const DataFolder& folder) : folder_(folder) {}

  PairPixels read(const Pair& pair) {
    PairPixels out;
    read_image(pair, pair.visible, out.visible, out.visible_hash, out);
    read_image(pair, pair.thermal, out.thermal, out.thermal_hash, out);
    return out;
  }

 private:
  void read_image(const Pair& pair, const std::string& path, PixelSums& sums, std::string& hash,
                  PairPixels& out) {
    try {
      folder_.read(path, ImageLimits{}.max_file_bytes, bytes_);
      decode_image({folder_.shown(path), bytes_}, image_);
    } catch (const Fault& fault) {
      const std::string text = fault.what();
      out.problems.push_back({fault.id(), text.substr(fault.id().size() + 2), pair.id});
      return;
    }
    sums = pixel_sums(image_);
    hash = sha256_hex({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
  }

  const DataFolder& folder_;
  std::vector<std::uint8_t> bytes_;
  Image image_;
};

}  // namespace

void PixelSums::add(const PixelSums& other) {
  pixels += other.pixels;
  chroma += other.chroma;
  for (std::size_t c = 0; c < 3; ++c) {
    sum[c] += other.sum[c];
    squares[c] += other.squares[c];
    least[c] = std::min(least[c], other.least[c]);
    most[c] = std::max(most[c], other.most[c]);
  }
}

double PixelSums::mean(std::size_t channel) const {
  return pixels == 0 ? 0.0
                     : static_cast<double>(sum[channel]) / static_cast<double>(pixels) / 255.0;
}

double PixelSums::deviation(std::size_t channel) const {
  if (pixels == 0) return 0.0;
  const double square = static_cast<double>(squares[channel]) / static_cast<double>(pixels);
  return std::sqrt(std::max(0.0, square / (255.0 * 255.0) - mean(channel) * mean(channel)));
}

double PixelSums::mean_chroma() const {
  return pixels == 0 ? 0.0 : static_cast<double>(chroma) / static_cast<double>(pixels) / 255.0;
}

double PixelSums::luma() const { return 0.299 * mean(0) + 0.587 * mean(1) + 0.114 * mean(2); }

PixelSums pixel_sums(const Image& image) {
  PixelSums sums;
  sums.pixels = std::int64_t{image.height} * image.width;
  for (std::size_t at = 0; at + 2 < image.rgb.size(); at += 3) {
    const std::array<int, 3> rgb = {image.rgb[at], image.rgb[at + 1], image.rgb[at + 2]};
    for (std::size_t c = 0; c < 3; ++c) {
      sums.sum[c] += rgb[c];
      sums.squares[c] += std::int64_t{rgb[c]} * rgb[c];
      sums.least[c] = std::min(sums.least[c], rgb[c]);
      sums.most[c] = std::max(sums.most[c], rgb[c]);
    }
    const auto [low, high] = std::minmax({rgb[0], rgb[1], rgb[2]});
    sums.chroma += high - low;
  }
  return sums;
}

std::vector<PairPixels> read_pixels(const DataFolder& folder, const PairIndex& index, int threads) {
  std::vector<PairPixels> all(static_cast<std::size_t>(index.size()));
  std::atomic<std::int64_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&] {
    try {
      PixelReader reader(folder);
      for (std::int64_t i = next++; i < index.size(); i = next++)
        all[static_cast<std::size_t>(i)] = reader.read(index[i]);
    } catch (...) {  // out of memory, say: carried to the caller's thread
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (error) std::rethrow_exception(error);
  return all;
}

}  // namespace ktrain
