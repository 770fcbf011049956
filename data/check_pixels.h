// What the pixels of pairs tell: damage that headers do not show, statistics, and files that are
// the same. Internal to data/.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/image_io.h"
#include "data/pair_index.h"

namespace ktrain {

// Sums over the pixels of one image; values from 0 to 255.
struct PixelSums {
  std::int64_t pixels = 0;
  std::array<std::int64_t, 3> sum{}, squares{};
  std::int64_t chroma = 0;  // largest channel - smallest
  std::array<int, 3> least{255, 255, 255}, most{};

  void add(const PixelSums& other);
  // In [0, 1]; 0 without pixels.
  [[nodiscard]] double mean(std::size_t channel) const;
  [[nodiscard]] double deviation(std::size_t channel) const;
  [[nodiscard]] double mean_chroma() const;
  // Whether all pixels are equal.
  [[nodiscard]] bool is_constant() const { return pixels > 0 && least == most; }
  [[nodiscard]] double luma() const;  // 0.299 R + 0.587 G + 0.114 B
};
[[nodiscard]] PixelSums pixel_sums(const Image& image);

struct PairPixels {
  PixelSums visible, thermal;
  std::string visible_hash, thermal_hash;  // SHA-256 of the files
  std::vector<DataProblem> problems;       // what cannot be decoded
};

// Decodes every image of the index in `threads` threads (at least 1); in the index's order.
[[nodiscard]] std::vector<PairPixels> read_pixels(const DataFolder& folder, const PairIndex& index,
                                                  int threads);

}  // namespace ktrain
