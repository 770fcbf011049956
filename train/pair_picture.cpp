#include "train/pair_picture.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "data/resize.h"
#include "train/picture.h"

namespace ktrain {
namespace {

constexpr Color kFound = {60, 230, 90}, kWanted = {255, 255, 255}, kIgnored = {150, 150, 150};
constexpr double kPictureWidth = 640;

void draw(Image& picture, const metrics::Box& box, double factor, Color color,
          std::string_view text) {
  const double x1 = box.x * factor, y1 = box.y * factor;
  draw_box(picture, x1, y1, (box.x + box.w) * factor, (box.y + box.h) * factor, color);
  if (!text.empty())
    draw_text(picture, static_cast<std::int64_t>(x1),
              std::max<std::int64_t>(0, static_cast<std::int64_t>(y1) - kTextHeight), text, color);
}

}  // namespace

Image read_pair_image(const DataFolder& folder, const std::string& path) {
  std::vector<std::uint8_t> bytes;
  folder.read(path, ImageLimits{}.max_file_bytes, bytes);
  const std::string name = folder.shown(path);
  return decode_image({name, bytes});
}

Image draw_pair(const Image& visible, const Image& thermal, const metrics::ImageTruth& truth,
                const metrics::Detections& found, double score) {
  const double factor = kPictureWidth / visible.width;
  const auto side = [&](const Image& image) {
    Image picture = resize_bilinear(image, {static_cast<int>(std::lround(image.height * factor)),
                                            static_cast<int>(kPictureWidth)});
    for (const metrics::Target& target : truth.targets)
      draw(picture, target.box, factor, target.ignore ? kIgnored : kWanted, "");
    for (const metrics::Detection& detection : found)
      if (detection.score >= score)
        draw(picture, detection.box, factor, kFound, fmt::format("{:.2f}", detection.score));
    return picture;
  };
  return side_by_side(side(visible), side(thermal), fmt::format("visible  {}", truth.name),
                      "thermal");
}

}  // namespace ktrain
