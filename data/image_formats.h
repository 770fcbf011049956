// One pair of functions per image format: `info` reads the header, `check` walks the file, `decode`
// writes the pixels of a file that both have accepted. Only image_io.cpp includes this.
#pragma once

#include "data/image_io.h"

namespace ktrain {

[[nodiscard]] ImageInfo jpeg_info(ImageSource source);
void check_jpeg(ImageSource source, const ImageLimits& limits);
void decode_jpeg(ImageSource source, Image& image);

[[nodiscard]] ImageInfo png_info(ImageSource source);
void check_png(ImageSource source, const ImageLimits& limits);
[[nodiscard]] ImageInfo bmp_info(ImageSource source);
void check_bmp(ImageSource source);
// PNG and BMP.
void decode_by_stb(ImageSource source, const ImageInfo& info, Image& image);

// "KT-DATA-002: <name>: <what>"
[[noreturn]] void fail_damaged(ImageSource source, std::string_view what);
// "KT-DATA-003: <name>: <what>"
[[noreturn]] void fail_unsupported(ImageSource source, std::string_view what);

}  // namespace ktrain
