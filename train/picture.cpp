#include "train/picture.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/check.h"

// stb's headers are not written for our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_easy_font.h>
#pragma GCC diagnostic pop

namespace ktrain {
namespace {

// stb_easy_font writes quads of four of these.
struct FontVertex {
  float x, y, z;
  unsigned char color[4];
};

}  // namespace

Image make_picture(std::int64_t width, std::int64_t height, Color fill) {
  KT_CHECK(width >= 0 && height >= 0 && width <= 1 << 16 && height <= 1 << 16,
           "make_picture: size {}x{}", width, height);
  Image picture;
  picture.width = static_cast<int>(width);
  picture.height = static_cast<int>(height);
  picture.rgb.resize(picture.num_bytes());
  fill_rectangle(picture, 0, 0, width, height, fill);
  return picture;
}

void fill_rectangle(Image& picture, std::int64_t x1, std::int64_t y1, std::int64_t x2,
                    std::int64_t y2, Color color) {
  x1 = std::max<std::int64_t>(x1, 0);
  y1 = std::max<std::int64_t>(y1, 0);
  x2 = std::min<std::int64_t>(x2, picture.width);
  y2 = std::min<std::int64_t>(y2, picture.height);
  for (std::int64_t y = y1; y < y2; ++y)
    for (std::int64_t x = x1; x < x2; ++x)
      std::copy(color.begin(), color.end(),
                picture.rgb.begin() + static_cast<std::ptrdiff_t>((y * picture.width + x) * 3));
}

void draw_box(Image& picture, double x1, double y1, double x2, double y2, Color color,
              std::int64_t thickness) {
  const auto whole = [](double v) {
    return static_cast<std::int64_t>(std::lround(std::clamp(v, -1e6, 1e6)));
  };
  const std::int64_t l = whole(x1), t = whole(y1), r = whole(x2), b = whole(y2);
  fill_rectangle(picture, l, t, r, t + thickness, color);
  fill_rectangle(picture, l, b - thickness, r, b, color);
  fill_rectangle(picture, l, t, l + thickness, b, color);
  fill_rectangle(picture, r - thickness, t, r, b, color);
}

void draw_text(Image& picture, std::int64_t x, std::int64_t y, std::string_view text, Color color,
               std::int64_t scale) {
  std::string copy(text);
  std::vector<FontVertex> quads(copy.size() * 4 * 20 + 4);
  const int count = stb_easy_font_print(0, 0, copy.data(), nullptr, quads.data(),
                                        static_cast<int>(quads.size() * sizeof(FontVertex)));
  for (int q = 0; q < count; ++q) {
    const FontVertex& first = quads[static_cast<std::size_t>(q) * 4];
    const FontVertex& third = quads[static_cast<std::size_t>(q) * 4 + 2];
    const auto at = [&](float v, std::int64_t origin) {
      return origin + static_cast<std::int64_t>(std::lround(v)) * scale;
    };
    fill_rectangle(picture, at(first.x, x), at(first.y, y), at(third.x, x), at(third.y, y), color);
  }
}

std::int64_t text_width(std::string_view text, std::int64_t scale) {
  std::string copy(text);
  return stb_easy_font_width(copy.data()) * scale;
}

void paste(Image& to, const Image& from, std::int64_t x, std::int64_t y) {
  for (std::int64_t row = std::max<std::int64_t>(0, -y); row < from.height && y + row < to.height;
       ++row) {
    const std::int64_t begin = std::max<std::int64_t>(0, -x);
    const std::int64_t end = std::min<std::int64_t>(from.width, to.width - x);
    if (begin >= end) return;
    const auto source =
        from.rgb.begin() + static_cast<std::ptrdiff_t>((row * from.width + begin) * 3);
    std::copy(source, source + static_cast<std::ptrdiff_t>((end - begin) * 3),
              to.rgb.begin() + static_cast<std::ptrdiff_t>(((y + row) * to.width + x + begin) * 3));
  }
}

Image side_by_side(const Image& left, const Image& right, std::string_view left_caption,
                   std::string_view right_caption, std::int64_t gap) {
  constexpr std::int64_t kScale = 2, kMargin = 6;
  const std::int64_t head = kTextHeight * kScale + 2 * kMargin;
  Image both = make_picture(left.width + gap + right.width,
                            head + std::max(left.height, right.height), {24, 24, 28});
  draw_text(both, kMargin, kMargin, left_caption, {235, 235, 235}, kScale);
  draw_text(both, left.width + gap + kMargin, kMargin, right_caption, {235, 235, 235}, kScale);
  paste(both, left, 0, head);
  paste(both, right, left.width + gap, head);
  return both;
}

}  // namespace ktrain
