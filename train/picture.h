// Images for people: boxes, text, two images side by side.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "data/image_io.h"

namespace ktrain {

using Color = std::array<std::uint8_t, 3>;

[[nodiscard]] Image make_picture(std::int64_t width, std::int64_t height, Color fill = {0, 0, 0});

// Everything below clips to the picture.
void fill_rectangle(Image& picture, std::int64_t x1, std::int64_t y1, std::int64_t x2,
                    std::int64_t y2, Color color);
// The outline of a box, `thickness` pixels wide, inside the corners.
void draw_box(Image& picture, double x1, double y1, double x2, double y2, Color color,
              std::int64_t thickness = 2);
// ASCII text with its top left corner at x, y; each font pixel is `scale` pixels wide.
void draw_text(Image& picture, std::int64_t x, std::int64_t y, std::string_view text, Color color,
               std::int64_t scale = 1);
[[nodiscard]] std::int64_t text_width(std::string_view text, std::int64_t scale = 1);
inline constexpr std::int64_t kTextHeight = 12;  // at scale 1

// Copies `from` with its top left corner to x, y.
void paste(Image& to, const Image& from, std::int64_t x, std::int64_t y);
// Left and right under captions, `gap` pixels apart.
[[nodiscard]] Image side_by_side(const Image& left, const Image& right,
                                 std::string_view left_caption, std::string_view right_caption,
                                 std::int64_t gap = 8);

}  // namespace ktrain
