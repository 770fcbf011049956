#include "data/coco_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "data/text_place.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

using Json = nlohmann::json;

enum class Section : std::uint8_t { kNone, kImages, kAnnotations, kCategories };
constexpr std::array<std::string_view, 4> kSections = {"", "images", "annotations", "categories"};

enum class Field : std::uint8_t {
  kNone,
  kId,
  kImageId,
  kCategoryId,
  kBox,
  kIgnore,
  kCrowd,
  kOcclusion,
  kName,
  kWidth,
  kHeight,
  kVisible,
  kThermal,
};

struct FieldName {
  std::string_view name;
  Field field;
};

constexpr FieldName kFields[] = {
    {"id", Field::kId},
    {"image_id", Field::kImageId},
    {"category_id", Field::kCategoryId},
    {"bbox", Field::kBox},
    {"ignore", Field::kIgnore},
    {"iscrowd", Field::kCrowd},
    {"occlusion", Field::kOcclusion},
    {"name", Field::kName},
    {"width", Field::kWidth},
    {"height", Field::kHeight},
    {"file_name", Field::kVisible},
    {"im_name", Field::kVisible},
    {"visible_file_name", Field::kVisible},
    {"file_name_visible", Field::kVisible},
    {"rgb_file_name", Field::kVisible},
    {"file_name_rgb", Field::kVisible},
    {"thermal_file_name", Field::kThermal},
    {"file_name_thermal", Field::kThermal},
    {"infrared_file_name", Field::kThermal},
    {"file_name_infrared", Field::kThermal},
    {"ir_file_name", Field::kThermal},
    {"file_name_ir", Field::kThermal},
    {"lwir_file_name", Field::kThermal},
    {"file_name_lwir", Field::kThermal},
};

Field field_of(std::string_view key) {
  const auto found = std::find_if(std::begin(kFields), std::end(kFields),
                                  [&](const FieldName& known) { return known.name == key; });
  return found == std::end(kFields) ? Field::kNone : found->field;
}

// One element of a section, whichever it is.
struct Record {
  int line = 0;
  unsigned seen = 0;  // a bit per Field
  std::string id, image_id, category_id, name, visible, thermal;
  std::vector<double> box;
  std::int64_t width = 0, height = 0, occlusion = 0;
  bool ignore = false;
};

// Receives the parser's events; keeps the three sections' elements, skips everything else.
class CocoReader : public nlohmann::json_sax<Json> {
 public:
  CocoReader(std::string_view name, const TextPlace& place, const CocoLimits& limits)
      : name_(name), place_(place), limits_(limits) {}

  [[nodiscard]] CocoFile finish();

  bool null() override { return scalar("null"); }
  bool boolean(bool value) override {
    if (!in_field()) return scalar("a boolean");
    if (field_ != Field::kIgnore && field_ != Field::kCrowd) fail_type("a boolean");
    record_.ignore |= value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      fail("a number beyond 2^63");
    return integer(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    if (in_box()) {
      record_.box.push_back(value);
      return true;
    }
    return scalar("a number with a fraction");
  }
  bool string(string_t& value) override;
  bool binary(binary_t&) override { return scalar("binary data"); }
  bool start_object(std::size_t) override;
  bool end_object() override;
  bool key(string_t& value) override;
  bool start_array(std::size_t) override;
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t, const std::string& token, const Json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..."
    const std::string_view text = error.what();
    const std::size_t cut = text.find(": ");
    fail(fmt::format("not JSON near '{}': {}", printable(token, 40),
                     printable(text.substr(cut == text.npos ? 0 : cut + 2), 120)));
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { fail_at(place_.line, what); }
  [[noreturn]] void fail_at(int line, std::string_view what) const {
    const std::string column =
        line == place_.line ? fmt::format(":{}", place_.column) : std::string();
    throw_fault("KT-DATA-010", "{}:{}{}: {}", printable(name_, 200), line, column, what);
  }
  [[noreturn]] void fail_type(std::string_view what) const {
    fail(fmt::format("'{}' in '{}' is {}", key_, kSections[static_cast<std::size_t>(section_)],
                     what));
  }

  // Directly inside an element of a section, at a key that matters.
  [[nodiscard]] bool in_field() const {
    return depth_ == 3 && section_ != Section::kNone && field_ != Field::kNone;
  }
  [[nodiscard]] bool in_box() const {
    return depth_ == 4 && section_ == Section::kAnnotations && field_ == Field::kBox;
  }
  // A value where no object, array or string of ours is: fine anywhere but in our fields.
  bool scalar(std::string_view what) {
    if (in_field() || in_box()) fail_type(what);
    if (depth_ == 2 && section_ != Section::kNone)
      fail_type(fmt::format("{}, not an object", what));
    if (depth_ == 1 && section_ != Section::kNone) fail_type(fmt::format("{}, not a list", what));
    return true;
  }
  bool integer(std::int64_t value);
  void enter() {
    if (++depth_ > limits_.max_depth)
      throw_fault("KT-DATA-004", "{}:{}: JSON nested more than {} deep", printable(name_, 200),
                  place_.line, limits_.max_depth);
  }
  void store();
  [[nodiscard]] int side(std::int64_t value, std::string_view what) const;
  void need(Field field, std::string_view what) const {
    if (!(record_.seen >> static_cast<unsigned>(field) & 1u))
      fail_at(record_.line, fmt::format("an element of '{}' has no '{}'",
                                        kSections[static_cast<std::size_t>(section_)], what));
  }

  std::string_view name_;
  const TextPlace& place_;
  CocoLimits limits_;
  int depth_ = 0;
  Section section_ = Section::kNone;
  unsigned sections_seen_ = 0;
  Field field_ = Field::kNone;
  std::string key_;
  Record record_;
  std::vector<Record> images_, annotations_, categories_;
};

bool CocoReader::integer(std::int64_t value) {
  if (in_box()) {
    record_.box.push_back(static_cast<double>(value));
    return true;
  }
  if (!in_field()) return scalar("a number");
  switch (field_) {
    case Field::kId:
      record_.id = fmt::format("{}", value);
      break;
    case Field::kImageId:
      record_.image_id = fmt::format("{}", value);
      break;
    case Field::kCategoryId:
      record_.category_id = fmt::format("{}", value);
      break;
    case Field::kIgnore:
    case Field::kCrowd:
      if (value != 0 && value != 1) fail_type("neither 0 nor 1");
      record_.ignore |= value != 0;
      break;
    case Field::kOcclusion:
      record_.occlusion = std::clamp<std::int64_t>(value, -1, 3);
      break;
    case Field::kWidth:
      record_.width = value;
      break;
    case Field::kHeight:
      record_.height = value;  // of an annotation: MLPD's box height, not used
      break;
    default:
      fail_type("a number");
  }
  return true;
}

bool CocoReader::string(string_t& value) {
  if (!in_field()) return scalar("a string");
  switch (field_) {
    case Field::kId:
      record_.id = value;
      break;
    case Field::kImageId:
      record_.image_id = value;
      break;
    case Field::kCategoryId:
      record_.category_id = value;
      break;
    case Field::kName:
      record_.name = value;
      break;
    case Field::kVisible:
      record_.visible = value;
      break;
    case Field::kThermal:
      record_.thermal = value;
      break;
    default:
      fail_type("a string");
  }
  return true;
}

bool CocoReader::key(string_t& value) {
  if (depth_ == 1) {
    const auto found = std::find(kSections.begin() + 1, kSections.end(), value);
    section_ =
        found == kSections.end() ? Section::kNone : static_cast<Section>(found - kSections.begin());
    key_ = printable(value, 40);
    const unsigned bit = 1u << static_cast<unsigned>(section_);
    if (section_ != Section::kNone && (sections_seen_ & bit)) fail(fmt::format("'{}' twice", key_));
    sections_seen_ |= bit;
  } else if (depth_ == 3 && section_ != Section::kNone) {
    field_ = field_of(value);
    // Other lists give other meanings to these words.
    if (section_ == Section::kCategories && field_ != Field::kId && field_ != Field::kName)
      field_ = Field::kNone;
    if (section_ != Section::kCategories && field_ == Field::kName) field_ = Field::kNone;
    key_ = printable(value, 40);
    const unsigned bit = 1u << static_cast<unsigned>(field_);
    if (field_ != Field::kNone && (record_.seen & bit)) fail(fmt::format("'{}' twice", key_));
    record_.seen |= bit;
  }
  return true;
}

bool CocoReader::start_object(std::size_t) {
  if (depth_ == 1 && section_ != Section::kNone) fail_type("an object, not a list");
  if (in_field() || in_box()) fail_type("an object");
  if (depth_ == 2 && section_ != Section::kNone) {
    record_ = Record();
    record_.line = place_.line;
  }
  field_ = depth_ == 2 ? Field::kNone : field_;
  enter();
  return true;
}

bool CocoReader::end_object() {
  if (depth_ == 3 && section_ != Section::kNone) store();
  --depth_;
  return true;
}

bool CocoReader::start_array(std::size_t) {
  if (depth_ == 0) fail("the file holds a list; wanted an object with 'images', 'annotations'");
  if (depth_ == 2 && section_ != Section::kNone) fail_type("a list in a list");
  if (in_box() || (in_field() && field_ != Field::kBox)) fail_type("a list");
  enter();
  return true;
}

void CocoReader::store() {
  need(Field::kId, "id");
  if (section_ == Section::kImages) {
    need(Field::kVisible, "file_name");
    images_.push_back(std::move(record_));
  } else if (section_ == Section::kCategories) {
    need(Field::kName, "name");
    categories_.push_back(std::move(record_));
  } else {
    need(Field::kImageId, "image_id");
    need(Field::kCategoryId, "category_id");
    need(Field::kBox, "bbox");
    if (record_.box.size() != 4)
      fail_at(record_.line, fmt::format("'bbox' has {} numbers, wanted 4", record_.box.size()));
    if (record_.occlusion < 0 || record_.occlusion > 2)
      fail_at(record_.line, "'occlusion' must be 0, 1 or 2");
    annotations_.push_back(std::move(record_));
  }
  record_ = Record();
  field_ = Field::kNone;
}

int CocoReader::side(std::int64_t value, std::string_view what) const {
  if (value < 0 || value > (1 << 24)) fail(fmt::format("an image's {} is {}", what, value));
  return static_cast<int>(value);
}

CocoFile CocoReader::finish() {
  for (const Section section : {Section::kImages, Section::kAnnotations, Section::kCategories})
    if (!(sections_seen_ >> static_cast<unsigned>(section) & 1u))
      fail(fmt::format("no '{}': not a COCO file", kSections[static_cast<std::size_t>(section)]));
  CocoFile out;
  std::unordered_map<std::string, std::size_t> image_of, category_of;
  for (Record& record : images_) {
    if (!image_of.emplace(record.id, out.images.size()).second)
      fail_at(record.line, fmt::format("image id '{}' twice", printable(record.id)));
    CocoImage& image = out.images.emplace_back();
    image.id = std::move(record.id);
    image.visible = std::move(record.visible);
    image.thermal = std::move(record.thermal);
    image.line = record.line;
    image.annotation.width = side(record.width, "width");
    image.annotation.height = side(record.height, "height");
  }
  for (Record& record : categories_) {
    if (!category_of.emplace(record.id, out.class_names.size()).second)
      fail_at(record.line, fmt::format("category id '{}' twice", printable(record.id)));
    out.class_names.push_back(std::move(record.name));
  }
  for (Record& record : annotations_) {
    const auto image = image_of.find(record.image_id);
    if (image == image_of.end())
      fail_at(record.line, fmt::format("annotation '{}' belongs to image id '{}', which is not "
                                       "listed",
                                       printable(record.id), printable(record.image_id)));
    const auto category = category_of.find(record.category_id);
    if (category == category_of.end())
      fail_at(record.line, fmt::format("annotation '{}' has category id '{}', which is not listed",
                                       printable(record.id), printable(record.category_id)));
    AnnotatedObject& object = out.images[image->second].annotation.objects.emplace_back();
    object.label = out.class_names[category->second];
    object.box = {record.box[0], record.box[1], record.box[0] + record.box[2],
                  record.box[1] + record.box[3]};
    object.occlusion = static_cast<int>(record.occlusion);
    object.ignore = record.ignore;
    object.line = record.line;
  }
  return out;
}

}  // namespace

CocoFile parse_coco(TextSource source, const CocoLimits& limits) {
  if (source.text.size() > limits.max_bytes)
    throw_fault("KT-DATA-004", "{}: {} bytes of JSON; at most {} are read",
                printable(source.name, 200), source.text.size(), limits.max_bytes);
  if (source.text.starts_with("\xEF\xBB\xBF")) source.text.remove_prefix(3);
  TextPlace place;
  CocoReader reader(source.name, place, limits);
  const char* begin = source.text.data();
  Json::sax_parse(PlaceIterator(begin, &place), PlaceIterator(begin + source.text.size(), &place),
                  &reader);
  return reader.finish();
}

}  // namespace ktrain
