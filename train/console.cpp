#include "train/console.h"

#include <fmt/format.h>

namespace ktrain {

Console::~Console() { erase_live(); }

void Console::text(const std::string& text) {
  if (mode_ == Mode::kText) write(text);
}

void Console::result(const std::string& text) {
  if (mode_ != Mode::kJson) write(text);
}

void Console::live(const std::string& text) {
  if (!terminal_) return;
  const std::size_t width = text.size();
  out_ << '\r' << text << std::string(live_width_ > width ? live_width_ - width : 0, ' ')
       << std::flush;
  live_width_ = width;
}

void Console::record(const std::string& json) {
  if (mode_ == Mode::kJson) out_ << json << '\n' << std::flush;
}

void Console::write(const std::string& text) {
  erase_live();
  out_ << text;
  if (!text.ends_with('\n')) out_ << '\n';
  out_.flush();
}

void Console::erase_live() {
  if (live_width_ == 0) return;
  out_ << '\r' << std::string(live_width_, ' ') << '\r' << std::flush;
  live_width_ = 0;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace ktrain
