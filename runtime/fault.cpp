#include "runtime/fault.h"

#include <algorithm>
#include <cassert>

namespace ktrain {

const Message* find_message(std::string_view id) {
  const auto all = messages();
  const auto found =
      std::lower_bound(all.begin(), all.end(), id,
                       [](const Message& m, std::string_view key) { return m.id < key; });
  return found != all.end() && found->id == id ? &*found : nullptr;
}

Fault::Fault(std::string_view id, const std::string& text)
    : Error(fmt::format("{}: {}", id, text)), id_(id), exit_(Exit::kBug) {
  const Message* message = find_message(id);
  assert(message && "every fault id stands in runtime/messages.cpp");
  if (message) exit_ = message->exit;
}

namespace {

// Bytes of the UTF-8 sequence that starts at `text[at]`, 0 when it is not valid there.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  // Overlong forms, surrogates, C1 controls and code points past U+10FFFF.
  if (lead == 0xE0 && byte(at + 1) < 0xA0) return 0;
  if (lead == 0xED && byte(at + 1) >= 0xA0) return 0;
  if (lead == 0xF0 && byte(at + 1) < 0x90) return 0;
  if (lead == 0xF4 && byte(at + 1) >= 0x90) return 0;
  if (lead == 0xC2 && byte(at + 1) < 0xA0) return 0;
  return length;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (out.size() >= limit) return out + "...";
    const unsigned byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x20 || byte == 0x7F ? 0 : utf8_length(text, i);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", byte);
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
}

}  // namespace ktrain
