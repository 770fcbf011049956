// A small data set in every layout that is read: three pairs of 64x48 pixels, one person in each,
// whose box is kLayoutBox once coordinates count from 0.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>

#include <fmt/format.h>

#include "tests/support/data.h"

namespace ktrain::test {

inline constexpr std::array<double, 4> kLayoutBox = {10, 12, 20, 40};

inline std::string voc_xml(int origin, const std::string& label = "person") {
  return fmt::format(
      "<annotation><size><width>64</width><height>48</height></size><object><name>{}</name><bndbox>"
      "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object></annotation>",
      label, 10 + origin, 12 + origin, 20 + origin, 40 + origin);
}

inline std::string bbgt_text(int origin, const std::string& label = "person") {
  return fmt::format("% bbGt version=3\n{} {} {} 10 28 0 0 0 0 0 0 0\n", label, 10 + origin,
                     12 + origin);
}

// A coloured picture and a grey one, different for every pair.
inline void write_images(const TempFolder& folder, int i, const std::string& visible,
                         const std::string& thermal) {
  const Image colour = gradient_image(48, 64, i);
  Image grey = colour;
  for (std::size_t at = 0; at < grey.rgb.size(); at += 3)
    grey.rgb[at + 1] = grey.rgb[at + 2] = grey.rgb[at];
  grey.rgb[0] = grey.rgb[1] = grey.rgb[2] = static_cast<std::uint8_t>(i);
  const auto write = [&](const std::string& path, const Image& image) {
    folder.write(path, path.ends_with(".png") ? encode_png(image) : encode_jpeg(image));
  };
  write(visible, colour);
  write(thermal, grey);
}

// Returns the name of the list.
using WriteTree = std::function<std::string(const TempFolder&)>;

inline std::string write_kaist_like(const TempFolder& folder,
                                    const std::function<void(const std::string&, int)>& annotate) {
  std::string list;
  for (int i = 0; i < 3; ++i) {
    const std::string frame = fmt::format("I{:05}", 20 * i);
    write_images(folder, i, "images/set00/V000/visible/" + frame + ".jpg",
                 "images/set00/V000/lwir/" + frame + ".jpg");
    annotate("set00/V000/" + frame, i);
    list += "set00/V000/" + frame + "\n";
  }
  folder.write("imageSets/some.txt", list);
  return "some";
}

inline std::string flat_name(std::string id) {
  for (char& c : id) c = c == '/' ? '_' : c;
  return id;
}

inline std::string write_voc(const TempFolder& folder) {
  std::string list;
  for (int i = 0; i < 3; ++i) {
    const auto stem = [&](const char* word) {
      return fmt::format("set00_V000_{}_I{:05}", word, i);
    };
    write_images(folder, i, "visible/" + stem("visible") + ".jpg",
                 "infrared/" + stem("lwir") + ".jpg");
    for (const char* const word : {"visible", "lwir"}) {
      folder.write("Annotations/" + stem(word) + ".xml", voc_xml(1));
      list += stem(word) + "\n";
    }
  }
  folder.write("ImageSets/some.txt", list);
  return "some";
}

inline std::string write_coco(const TempFolder& folder) {
  std::string images, boxes;
  for (int i = 0; i < 3; ++i) {
    write_images(folder, i, fmt::format("visible/{}.jpg", i), fmt::format("infrared/{}.jpg", i));
    const char* const comma = i == 0 ? "" : ", ";
    images += fmt::format(R"({}{{"id": {}, "file_name": "visible/{}.jpg"}})", comma, i, i);
    boxes +=
        fmt::format(R"({}{{"id": {}, "image_id": {}, "category_id": 1, "bbox": [10, 12, 10, 28]}})",
                    comma, i, i);
  }
  folder.write("annotations/some.json",
               fmt::format(R"({{"images": [{}], "annotations": [{}], "categories": )"
                           R"([{{"id": 1, "name": "person"}}]}})",
                           images, boxes));
  return "some";
}

// Every preset's tree, by its name.
inline const std::map<std::string, WriteTree>& layout_trees() {
  static const WriteTree kaist = [](const TempFolder& folder) {
    return write_kaist_like(folder, [&](const std::string& id, int i) {
      if (i == 1)
        folder.write("annotations-xml/" + id + ".xml", voc_xml(0));
      else
        folder.write("annotations/" + id + ".txt", bbgt_text(0));
    });
  };
  static const std::map<std::string, WriteTree> trees = {
      {"synth", kaist},
      {"kaist", kaist},
      {"kaist-paired",
       [](const TempFolder& folder) {
         return write_kaist_like(folder, [&](const std::string& id, int) {
           const std::size_t slash = id.rfind('/');
           for (const char* const modality : {"/visible", "/lwir"})
             folder.write(
                 "annotations/" + id.substr(0, slash) + modality + id.substr(slash) + ".txt",
                 bbgt_text(1));
         });
       }},
      {"kaist-sanitized",
       [](const TempFolder& folder) {
         return write_kaist_like(folder, [&](const std::string& id, int) {
           folder.write("sanitized_annotations/" + flat_name(id) + ".txt",
                        "person 11 13 21 41\nignore 1 1 5 5\n");
         });
       }},
      {"kaist-improved",
       [](const TempFolder& folder) {
         return write_kaist_like(folder, [&](const std::string& id, int) {
           folder.write("annotations_KAIST_test_set/" + flat_name(id) + ".txt", bbgt_text(0));
         });
       }},
      {"llvip",
       [](const TempFolder& folder) -> std::string {
         for (int i = 0; i < 3; ++i) {
           const std::string stem = fmt::format("01{:04}", i);
           write_images(folder, i, "visible/some/" + stem + ".jpg",
                        "infrared/some/" + stem + ".jpg");
           folder.write("Annotations/" + stem + ".xml", voc_xml(1));
         }
         return "some";
       }},
      {"voc", write_voc},
      {"coco", write_coco},
      {"flir",
       [](const TempFolder& folder) -> std::string {
         std::string list;
         for (int i = 0; i < 3; ++i) {
           const std::string stem = fmt::format("align/JPEGImages/FLIR_{:05}", i);
           write_images(folder, i, stem + "_RGB.jpg", stem + "_PreviewData.jpeg");
           folder.write(fmt::format("align/Annotations/FLIR_{:05}_PreviewData.xml", i), voc_xml(1));
           list += fmt::format("FLIR_{:05}_PreviewData\n", i);
         }
         folder.write("some.txt", list);
         return "some";
       }},
      {"m3fd",
       [](const TempFolder& folder) -> std::string {
         for (int i = 0; i < 3; ++i) {
           write_images(folder, i, fmt::format("Vis/{:05}.png", i), fmt::format("Ir/{:05}.png", i));
           folder.write(fmt::format("Annotation/{:05}.xml", i), voc_xml(1, "People"));
         }
         return "all";
       }},
  };
  return trees;
}

}  // namespace ktrain::test
