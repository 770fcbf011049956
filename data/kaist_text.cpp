#include <array>

#include "data/annotations.h"
#include "data/text_lines.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

[[noreturn]] void fail(TextSource source, int line, std::string_view what) {
  throw_fault("KT-DATA-009", "{}:{}: {}", printable(source.name, 200), line, what);
}

void check_size(TextSource source, const AnnotationLimits& limits) {
  if (source.text.size() > limits.max_bytes)
    throw_fault("KT-DATA-004", "{}: {} bytes of annotation; at most {} are read",
                printable(source.name, 200), source.text.size(), limits.max_bytes);
}

// Word `index` of a line as a number.
template <class T>
T field(TextSource source, int line, const std::vector<std::string_view>& parts, std::size_t index,
        std::string_view name) {
  const auto value = number<T>(parts[index]);
  if (!value)
    fail(source, line,
         fmt::format("field {} ({}) is '{}', wanted a{} number", index + 1, name,
                     printable(parts[index]), std::is_integral_v<T> ? " whole" : ""));
  return *value;
}

std::string label_of(TextSource source, int line, std::string_view word) {
  for (const char c : word)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      fail(source, line, fmt::format("the label '{}' has control bytes", printable(word)));
  return std::string(word);
}

void add(TextSource source, const AnnotationLimits& limits, AnnotatedObject object,
         AnnotationFile& out) {
  if (out.objects.size() == limits.max_objects)
    fail(source, object.line, fmt::format("more than {} objects", limits.max_objects));
  out.objects.push_back(std::move(object));
}

// The version of "% bbGt version=3".
int bbgt_version(TextSource source, std::string_view line, int line_number) {
  const std::vector<std::string_view> parts = words(line.substr(1));
  constexpr std::string_view kVersion = "version=";
  if (parts.size() == 2 && parts[0] == "bbGt" && parts[1].starts_with(kVersion))
    if (const auto version = number<int>(parts[1].substr(kVersion.size())))
      if (*version >= 0 && *version <= 3) return *version;
  fail(source, line_number,
       fmt::format("found '{}', wanted the header '% bbGt version=N', N from 0 to 3",
                   printable(line)));
}

}  // namespace

AnnotationFile parse_bbgt(TextSource source, const AnnotationLimits& limits) {
  // label, box, occluded; the visible part; from version 2 "ignore", in version 3 the angle.
  constexpr std::array<std::size_t, 4> kFields = {10, 10, 11, 12};
  check_size(source, limits);
  AnnotationFile out;
  int version = -1;
  for_each_line(source.text, [&](std::string_view text, int line) {
    if (trimmed(text).empty()) return;
    if (trimmed(text).front() == '%') {
      if (version >= 0) fail(source, line, "a second header");
      version = bbgt_version(source, trimmed(text), line);
      return;
    }
    if (version < 0) fail(source, line, "the header '% bbGt version=3' is missing");
    const std::vector<std::string_view> parts = words(text);
    const std::size_t wanted = kFields[static_cast<std::size_t>(version)];
    if (parts.size() != wanted)
      fail(source, line,
           fmt::format("{} fields, wanted {} in bbGt version {}", parts.size(), wanted, version));
    AnnotatedObject object;
    object.line = line;
    object.label = label_of(source, line, parts[0]);
    const auto real = [&](std::size_t i, std::string_view name) {
      return field<double>(source, line, parts, i, name);
    };
    const double left = real(1, "left"), top = real(2, "top");
    object.box = {left, top, left + real(3, "width"), top + real(4, "height")};
    object.occlusion = field<int>(source, line, parts, 5, "occlusion");
    if (object.occlusion < 0 || object.occlusion > 2)
      fail(source, line, fmt::format("occlusion {}, wanted 0, 1 or 2", object.occlusion));
    for (std::size_t i = 6; i < 10; ++i) (void)real(i, "visible part");
    if (version >= 2) object.ignore = field<int>(source, line, parts, 10, "ignore") != 0;
    if (version >= 3) (void)real(11, "angle");
    add(source, limits, std::move(object), out);
  });
  if (version < 0)
    fail(source, 1, "the file is empty; a frame without objects still has '% bbGt version=3'");
  return out;
}

AnnotationFile parse_sanitized(TextSource source, const AnnotationLimits& limits) {
  check_size(source, limits);
  AnnotationFile out;
  for_each_line(source.text, [&](std::string_view text, int line) {
    const std::vector<std::string_view> parts = words(text);
    if (parts.empty()) return;
    if (parts.size() != 5)
      fail(source, line, fmt::format("{} fields, wanted 'label x1 y1 x2 y2'", parts.size()));
    AnnotatedObject object;
    object.line = line;
    object.label = label_of(source, line, parts[0]);
    for (std::size_t i = 0; i < 4; ++i)
      object.box[i] = field<double>(source, line, parts, i + 1, "a corner");
    add(source, limits, std::move(object), out);
  });
  return out;
}

AnnotationFile parse_annotation(TextSource source, const AnnotationLimits& limits) {
  std::string_view text = source.text;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text = trimmed(text.substr(0, 256));
  if (text.empty()) fail(source, 1, "the file is empty: a frame without objects, or a lost file?");
  if (text.starts_with('<')) return parse_voc_xml(source, limits);
  if (text.starts_with('%')) return parse_bbgt(source, limits);
  return parse_sanitized(source, limits);
}

}  // namespace ktrain
