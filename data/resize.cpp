#include "data/resize.h"

#include <algorithm>
#include <cmath>

#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr int kChannels = 3;
constexpr int kOne = 1 << 11;  // a weight of 1

// Output position i reads inputs `low` and `high` with weights kOne - high_weight and high_weight.
struct Tap {
  int low = 0;
  int high = 0;
  int high_weight = 0;
};

std::vector<Tap> taps(int in_size, int out_size) {
  std::vector<Tap> out(static_cast<std::size_t>(out_size));
  const double scale = static_cast<double>(in_size) / out_size;
  for (int i = 0; i < out_size; ++i) {
    const float at = static_cast<float>((i + 0.5) * scale - 0.5);
    const int low = static_cast<int>(std::floor(at));
    Tap& tap = out[static_cast<std::size_t>(i)];
    tap.low = std::clamp(low, 0, in_size - 1);
    tap.high = std::clamp(low + 1, 0, in_size - 1);
    tap.high_weight = static_cast<int>(std::lrint((at - static_cast<float>(low)) * kOne));
  }
  return out;
}

const std::uint8_t* row_of(const Image& image, int y) {
  return image.rgb.data() + static_cast<std::ptrdiff_t>(y) * image.width * kChannels;
}

void blend_columns(const std::uint8_t* in, const std::vector<Tap>& columns, int* out) {
  for (const Tap& tap : columns) {
    const std::uint8_t* low = in + tap.low * kChannels;
    const std::uint8_t* high = in + tap.high * kChannels;
    for (int c = 0; c < kChannels; ++c)
      *out++ = low[c] * (kOne - tap.high_weight) + high[c] * tap.high_weight;
  }
}

// The rounding of OpenCV: four bits are dropped before the product, sixteen after it, two at last.
void blend_rows(const std::vector<int>& low, const std::vector<int>& high, int high_weight,
                std::uint8_t* out) {
  const int low_weight = kOne - high_weight;
  for (std::size_t i = 0; i < low.size(); ++i)
    out[i] = static_cast<std::uint8_t>(
        (((low_weight * (low[i] >> 4)) >> 16) + ((high_weight * (high[i] >> 4)) >> 16) + 2) >> 2);
}

void halve(const Image& in, Image& out) {
  for (int y = 0; y < out.height; ++y) {
    const std::uint8_t* top = row_of(in, 2 * y);
    const std::uint8_t* bottom = row_of(in, 2 * y + 1);
    std::uint8_t* to = out.rgb.data() + static_cast<std::ptrdiff_t>(y) * out.width * kChannels;
    for (int x = 0; x < out.width; ++x, top += 2 * kChannels, bottom += 2 * kChannels)
      for (int c = 0; c < kChannels; ++c)
        *to++ = static_cast<std::uint8_t>(
            (top[c] + top[c + kChannels] + bottom[c] + bottom[c + kChannels] + 2) >> 2);
  }
}

}  // namespace

Size resized(Size size, Scale scale) {
  const double long_side = std::max(size.height, size.width);
  const double short_side = std::min(size.height, size.width);
  const double factor = std::min(std::max(scale.long_side, scale.short_side) / long_side,
                                 std::min(scale.long_side, scale.short_side) / short_side);
  const auto side = [&](int length) {
    return std::max(1, static_cast<int>(length * factor + 0.5));
  };
  return {side(size.height), side(size.width)};
}

Size padded(Size size, int divisor) {
  const auto up = [&](int side) { return (side + divisor - 1) / divisor * divisor; };
  return {up(size.height), up(size.width)};
}

void resize_bilinear(const Image& in, Size size, Image& out) {
  KT_CHECK(in.rgb.size() == in.num_bytes() && !in.rgb.empty() && size.height > 0 && size.width > 0,
           "resize_bilinear: from {}x{} ({} bytes) to {}x{}", in.width, in.height, in.rgb.size(),
           size.width, size.height);
  out.height = size.height;
  out.width = size.width;
  out.rgb.resize(out.num_bytes());
  if (in.height == size.height && in.width == size.width) {
    out.rgb = in.rgb;
    return;
  }
  if (in.height == 2 * size.height && in.width == 2 * size.width) return halve(in, out);

  const std::vector<Tap> columns = taps(in.width, size.width);
  const std::vector<Tap> rows = taps(in.height, size.height);
  const std::size_t row_size = columns.size() * kChannels;
  // The two blended rows that the last output row used; the next one mostly needs them again.
  std::vector<int> low(row_size), high(row_size);
  int low_row = -1, high_row = -1;
  std::uint8_t* to = out.rgb.data();
  for (const Tap& tap : rows) {
    if (tap.low == high_row) {
      std::swap(low, high);
      std::swap(low_row, high_row);
    }
    if (tap.low != low_row) blend_columns(row_of(in, low_row = tap.low), columns, low.data());
    if (tap.high != high_row) blend_columns(row_of(in, high_row = tap.high), columns, high.data());
    blend_rows(low, high, tap.high_weight, to);
    to += row_size;
  }
}

Image resize_bilinear(const Image& in, Size size) {
  Image out;
  resize_bilinear(in, size, out);
  return out;
}

}  // namespace ktrain
