#include "data/synth/sensor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "runtime/random.h"

namespace ktrain::synth {
namespace {

constexpr float kReadNoise = 2.5F;      // electrons
constexpr float kLongestNight = 8;      // exposure times of daylight
constexpr float kThermalNoise = 0.22F;  // degrees
constexpr float kColumnNoise = 0.10F;   // degrees, the same down a column

float even(std::uint32_t word) { return (static_cast<float>(word >> 8) + 0.5F) * 0x1p-24F; }

// The inverse of the normal distribution (Acklam's rational approximation, relative error 1.2e-9).
double normal_quantile(double x) {
  constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                          1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                          6.680131188771972e+01, -1.328068155288572e+01};
  constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                          -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                          3.754408661907416e+00};
  const auto tail = [&](double q) {
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
           ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
  };
  if (x < 0.02425) return tail(std::sqrt(-2 * std::log(x)));
  if (x > 1 - 0.02425) return -tail(std::sqrt(-2 * std::log(1 - x)));
  const double q = x - 0.5, r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

// N(0, 1) of a random word, from a table of the quantile: exact at 4096 shares, straight between.
class Normal {
 public:
  Normal() {
    const auto cells = static_cast<double>(kCells);
    for (std::size_t i = 0; i <= kCells; ++i)
      table_[i] = static_cast<float>(
          normal_quantile(std::clamp(static_cast<double>(i), 0.1, cells - 0.1) / cells));
  }
  float operator()(std::uint32_t word) const {
    const std::size_t cell = word >> 20;
    const float within = static_cast<float>(word & 0xFFFFFU) * 0x1p-20F;
    return table_[cell] + (table_[cell + 1] - table_[cell]) * within;
  }

 private:
  static constexpr std::size_t kCells = 4096;
  std::array<float, kCells + 1> table_{};
};

const Normal& normal_of() {
  static const Normal normal;
  return normal;
}

// Electrons of a pixel that expects `mean`: Poisson by inversion where that is short, else the
// normal distribution of the same mean and variance.
float electrons(float mean, std::uint32_t word, const Normal& normal) {
  if (mean >= 16) return std::max(0.0F, mean + std::sqrt(mean) * normal(word));
  const float u = even(word);
  float chance = std::exp(-mean), sum = chance;
  int count = 0;
  while (u > sum && count < 64) {
    ++count;
    chance *= mean / static_cast<float>(count);
    sum += chance;
  }
  return static_cast<float>(count);
}

float luminance(Rgb light) { return 0.3F * light.r + 0.59F * light.g + 0.11F * light.b; }

// 0 .. 1 to 0 .. 255 by sRGB's curve, from a table.
class Curve {
 public:
  Curve() {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const float v = static_cast<float>(i) / static_cast<float>(table_.size() - 1);
      const float s = v <= 0.0031308F ? 12.92F * v : 1.055F * std::pow(v, 1 / 2.4F) - 0.055F;
      table_[i] = static_cast<std::uint8_t>(std::lround(255 * s));
    }
  }
  std::uint8_t operator()(float v) const {
    return table_[static_cast<std::size_t>(unit_clamp(v) * static_cast<float>(table_.size() - 1) +
                                           0.5F)];
  }

 private:
  std::array<std::uint8_t, 4096> table_{};
};

Image blank(const Canvas& canvas) {
  Image image{canvas.height(), canvas.width(), {}};
  image.rgb.resize(image.num_bytes());
  return image;
}

// Temperatures of the picture, blurred by (1 2 1)/4 in both directions.
std::vector<float> blurred_temperatures(const Canvas& canvas) {
  const int w = canvas.width(), h = canvas.height();
  const auto column = [&](int x, int y) {
    x = std::clamp(x, 0, w - 1);
    const auto row = [&](int v) { return canvas.at(x, std::clamp(v, 0, h - 1)).celsius; };
    return 0.25F * row(y - 1) + 0.5F * row(y) + 0.25F * row(y + 1);
  };
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(w) * static_cast<std::size_t>(h));
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      out.push_back(0.25F * column(x - 1, y) + 0.5F * column(x, y) + 0.25F * column(x + 1, y));
  return out;
}

}  // namespace

Image expose_visible(const Canvas& canvas, const VisibleCamera& camera, std::uint64_t seed,
                     std::uint32_t sample) {
  static const Curve curve;
  const Normal& normal = normal_of();
  Image image = blank(canvas);
  double sum = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      sum += static_cast<double>(std::min(luminance(canvas.at(x, y).light), 1.0F));
  const float mean = static_cast<float>(sum / (static_cast<double>(image.height) * image.width));
  const float time = camera.night ? std::clamp(0.2F / mean, 1.0F, kLongestNight) : 1.0F;
  const float per_light = static_cast<float>(camera.photons) * time;
  const float gain = std::clamp((camera.night ? 0.10F : 0.24F) / (mean * time), 0.6F, 2.5F);
  const float level = gain / static_cast<float>(camera.photons);
  const RandomKey key = random_key(seed, RandomStream::kSynthSensor);
  std::size_t i = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const auto pixel = static_cast<std::uint32_t>(i / 3);
      const RandomWords shot = random_words(key, sample, 2 * pixel);
      const RandomWords read = random_words(key, sample, 2 * pixel + 1);
      const Rgb light = canvas.at(x + camera.shift_x, y + camera.shift_y).light;
      const float channels[3] = {light.r, light.g, light.b};
      for (std::size_t c = 0; c < 3; ++c) {
        const float signal =
            electrons(std::min(channels[c], 4.0F) * per_light, shot.word[c], normal) +
            kReadNoise * normal(read.word[c]);
        image.rgb[i++] = curve(signal * level);
      }
    }
  return image;
}

Image expose_thermal(const Canvas& canvas, std::uint64_t seed, std::uint32_t sample) {
  Image image = blank(canvas);
  const std::vector<float> celsius = blurred_temperatures(canvas);
  // The stretch leaves out the coldest and the hottest hundredth, as such cameras do.
  // Some twenty thousand pixels tell them well enough.
  std::vector<float> sorted;
  const std::size_t step = std::max<std::size_t>(1, celsius.size() / 20'000);
  for (std::size_t i = 0; i < celsius.size(); i += step) sorted.push_back(celsius[i]);
  const auto at = [&](double share) {
    const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), sorted.begin() + place, sorted.end());
    return sorted[static_cast<std::size_t>(place)];
  };
  const float middle = at(0.5);
  const float low = std::max(at(0.01), middle - 16), high = std::max(at(0.995), middle + 7) + 1.0F;
  const float scale = 255 / (high - low);
  const RandomKey key = random_key(seed, RandomStream::kSynthSensor, 1);
  const Normal& normal = normal_of();
  std::vector<float> columns;
  for (int x = 0; x < image.width; ++x) {
    const RandomWords words = random_words(key, sample, static_cast<std::uint32_t>(x));
    columns.push_back(kColumnNoise * normal(words.word[1]));
  }
  std::size_t pixel = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x, ++pixel) {
      const RandomWords words = random_words(key, sample, static_cast<std::uint32_t>(pixel));
      const float noise =
          kThermalNoise * normal(words.word[0]) + columns[static_cast<std::size_t>(x)];
      const float level = (celsius[pixel] + noise - low) * scale;
      const auto value = static_cast<std::uint8_t>(std::lround(std::clamp(level, 0.0F, 255.0F)));
      std::fill_n(image.rgb.begin() + static_cast<std::ptrdiff_t>(pixel * 3), 3, value);
    }
  return image;
}

}  // namespace ktrain::synth
