#include <algorithm>
#include <cmath>
#include <optional>

#include <pugixml.hpp>

#include "data/annotations.h"
#include "data/text_lines.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

// One XML file; knows the line of a node, for messages.
class VocFile {
 public:
  VocFile(TextSource source, const AnnotationLimits& limits) : source_(source) {
    check_text(limits);
    const auto result = document_.load_buffer(source.text.data(), source.text.size(),
                                              pugi::parse_default, pugi::encoding_utf8);
    if (!result)
      fail(line_at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(result.offset, 0))),
           fmt::format("not well-formed XML: {}", result.description()));
    check_tree(limits);
  }

  [[nodiscard]] AnnotationFile read(const AnnotationLimits& limits) {
    const pugi::xml_node root = document_.document_element();
    if (std::string_view(root.name()) != "annotation")
      fail(line_of(root),
           fmt::format("the root element is <{}>, wanted <annotation>", printable(root.name())));
    AnnotationFile out;
    if (const pugi::xml_node size = only_child(root, "size")) {
      out.width = side(size, "width");
      out.height = side(size, "height");
    }
    for (const pugi::xml_node node : root.children("object")) {
      if (out.objects.size() == limits.max_objects)
        fail(line_of(node), fmt::format("more than {} objects", limits.max_objects));
      out.objects.push_back(object(node));
    }
    return out;
  }

 private:
  [[noreturn]] void fail(int line, std::string_view what) const {
    throw_fault("KT-DATA-008", "{}:{}: {}", printable(source_.name, 200), line, what);
  }

  // Before parsing: what must not be, and what would take too much memory.
  void check_text(const AnnotationLimits& limits) const {
    const std::string_view text = source_.text;
    if (text.size() > limits.max_bytes)
      throw_fault("KT-DATA-004", "{}: {} bytes of XML; at most {} are read",
                  printable(source_.name, 200), text.size(), limits.max_bytes);
    if (trimmed(text).empty()) fail(1, "the file is empty, wanted a VOC XML annotation");
    for (const std::string_view refused : {"<!DOCTYPE", "<!ENTITY"})
      if (const std::size_t at = text.find(refused); at != std::string_view::npos)
        fail(line_at(at), fmt::format("{} is refused: no annotation needs one", refused.substr(2)));
    // Elements, closings, comments: all cost at most what their '<' stands for.
    const auto tags = std::count(text.begin(), text.end(), '<');
    if (tags > 2 * std::ptrdiff_t{limits.max_nodes})
      throw_fault("KT-DATA-004", "{}: {} tags; at most {} are read", printable(source_.name, 200),
                  tags, 2 * limits.max_nodes);
  }

  void check_tree(const AnnotationLimits& limits) {
    struct Depth : pugi::xml_tree_walker {
      int limit = 0;
      pugi::xml_node too_deep;
      bool for_each(pugi::xml_node& node) override {
        if (depth() >= limit) too_deep = node;
        return !too_deep;
      }
    } walker;
    walker.limit = limits.max_depth;
    document_.traverse(walker);
    if (walker.too_deep)
      throw_fault("KT-DATA-004", "{}:{}: elements nested more than {} deep",
                  printable(source_.name, 200), line_of(walker.too_deep), limits.max_depth);
  }

  // Lines are asked for in rising order, mostly: counting goes on from the last place.
  [[nodiscard]] int line_at(std::size_t offset) const {
    offset = std::min(offset, source_.text.size());
    if (offset < counted_) counted_ = 0, lines_ = 1;
    const auto begin = source_.text.begin();
    lines_ += static_cast<int>(std::count(begin + static_cast<std::ptrdiff_t>(counted_),
                                          begin + static_cast<std::ptrdiff_t>(offset), '\n'));
    counted_ = offset;
    return lines_;
  }

  [[nodiscard]] int line_of(pugi::xml_node node) const {
    return line_at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(node.offset_debug(), 0)));
  }

  // Two boxes or two widths in one place: which is meant? An empty node when there is none.
  [[nodiscard]] pugi::xml_node only_child(pugi::xml_node parent, const char* name) const {
    const pugi::xml_node child = parent.child(name);
    if (child && child.next_sibling(name))
      fail(line_of(child.next_sibling(name)),
           fmt::format("a second <{}> in one <{}>", name, printable(parent.name())));
    return child;
  }

  // <name>12.5</name>; nothing when there is no such element.
  [[nodiscard]] std::optional<double> value(pugi::xml_node parent, const char* name) const {
    const pugi::xml_node child = only_child(parent, name);
    if (!child) return {};
    const std::string_view text = trimmed(child.child_value());
    const std::optional<double> parsed = number<double>(text);
    if (!parsed)
      fail(line_of(child), fmt::format("<{}> holds '{}', wanted a number", name, printable(text)));
    return parsed;
  }

  [[nodiscard]] double required(pugi::xml_node parent, const char* name) const {
    const auto found = value(parent, name);
    if (!found) fail(line_of(parent), fmt::format("<bndbox> has no <{}>", name));
    return *found;
  }

  [[nodiscard]] int whole(pugi::xml_node parent, const char* name, int low, int high) const {
    const double found = value(parent, name).value_or(low);
    if (!(found >= low && found <= high) || found != std::floor(found))
      fail(line_of(parent.child(name)),
           fmt::format("<{}> is {}, wanted a whole number from {} to {}", name, found, low, high));
    return static_cast<int>(found);
  }

  [[nodiscard]] int side(pugi::xml_node size, const char* name) const {
    return whole(size, name, 0, 1 << 24);
  }

  [[nodiscard]] AnnotatedObject object(pugi::xml_node node) const {
    AnnotatedObject out;
    out.line = line_of(node);
    out.label = trimmed(node.child_value("name"));
    if (out.label.empty()) fail(out.line, "an <object> has no <name>");
    const pugi::xml_node box = only_child(node, "bndbox");
    if (!box) fail(out.line, "an <object> has no <bndbox>");
    if (box.child("xmin")) {
      out.box = {required(box, "xmin"), required(box, "ymin"), required(box, "xmax"),
                 required(box, "ymax")};
    } else {
      const double x = required(box, "x"), y = required(box, "y");
      out.box = {x, y, x + required(box, "w"), y + required(box, "h")};
    }
    out.occlusion = whole(node, "occlusion", 0, 2);
    out.ignore = whole(node, "difficult", 0, 1) != 0 || whole(node, "ignore", 0, 1) != 0;
    return out;
  }

  TextSource source_;
  pugi::xml_document document_;
  mutable std::size_t counted_ = 0;
  mutable int lines_ = 1;
};

}  // namespace

AnnotationFile parse_voc_xml(TextSource source, const AnnotationLimits& limits) {
  if (source.text.starts_with("\xEF\xBB\xBF")) source.text.remove_prefix(3);
  return VocFile(source, limits).read(limits);
}

}  // namespace ktrain
