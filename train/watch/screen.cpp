#include "train/watch/screen.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace ktrain {

Screen::Screen(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {
  if (terminal_) out_ << "\033[?1049h\033[?25l" << std::flush;
}

Screen::~Screen() {
  if (!terminal_) return;
  out_ << "\033[?25h\033[?1049l";
  for (const std::string& line : shown_) out_ << line << '\n';
  out_.flush();
}

void Screen::show(const std::vector<std::string>& lines) {
  if (!terminal_) {
    for (const std::string& line : lines) out_ << line << '\n';
    out_.flush();
    return;
  }
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
  const std::size_t rows = known ? size.ws_row : 24, columns = known ? size.ws_col : 80;
  std::string page = "\033[H";
  const bool all = lines.size() <= rows;
  const std::size_t shown = all ? lines.size() : rows - 1;
  for (std::size_t i = 0; i < shown; ++i)
    page += fit(lines[i], columns) + "\033[K" + (i + 1 < rows ? "\r\n" : "");
  if (!all)
    page += fit(fmt::format("{} more lines; a taller window, or a folder further down, shows them",
                            lines.size() - shown),
                columns) +
            "\033[K";
  out_ << page << "\033[J" << std::flush;
  shown_ = lines;
}

std::string fit(const std::string& text, std::size_t columns) {
  std::string out;
  std::size_t width = 0;
  bool colored = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      const std::size_t end = std::min(text.find('m', i), text.size() - 1);
      const std::string code = text.substr(i, end - i + 1);
      out += code;
      colored = code != "\033[0m";
      i = end;
      continue;
    }
    // The bytes of one UTF-8 character stand for one column.
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U && ++width > columns) break;
    out += text[i];
  }
  return colored ? out + "\033[0m" : out;
}

}  // namespace ktrain
