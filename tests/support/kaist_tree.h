// A small data set in KAIST's own layout, made for a test.
#pragma once

#include <string>

#include "data/pair_index.h"
#include "tests/support/data.h"

namespace ktrain::test {

// set00/V000/I00000 ... of 40x32 pixels: the visible image is `gradient_image`, the thermal one its
// mirror; pair i has i % 3 people, and a region to ignore.
inline std::string kaist_id(int i) { return fmt::format("set00/V000/I{:05}", i); }

inline void write_kaist_pair(const TempFolder& folder, int i) {
  const std::string frame = fmt::format("I{:05}", i), base = "images/set00/V000/";
  const Image visible = gradient_image(32, 40, i);
  Image thermal = visible;
  for (std::uint8_t& value : thermal.rgb) value = static_cast<std::uint8_t>(255 - value);
  folder.write(base + "visible/" + frame + ".png", encode_png(visible));
  folder.write(base + "lwir/" + frame + ".png", encode_png(thermal));
  std::string text = "% bbGt version=3\npeople 1 2 8 9 0 0 0 0 0 0 0\n";
  for (int k = 0; k < i % 3; ++k)
    text += fmt::format("person {} {} 5 12 0 0 0 0 0 0 0\n", 4 + 10 * k, 3 + i);
  folder.write("annotations/" + kaist_id(i) + ".txt", text);
}

inline PairIndex write_kaist_tree(const TempFolder& folder, int pairs) {
  std::string list;
  for (int i = 0; i < pairs; ++i) {
    write_kaist_pair(folder, i);
    list += kaist_id(i) + "\n";
  }
  folder.write("imageSets/train.txt", list);
  const DataFolder files(folder.path());
  PairSource source;
  source.list = "train";
  return require_pairs(read_pairs(files, source), files);
}

}  // namespace ktrain::test
