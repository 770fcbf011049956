// A terminal that shows one page at a time and is given back as it was.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace ktrain {

class Screen {
 public:
  // Uses the terminal's second page when `terminal`; else pages are printed one after the other.
  Screen(std::ostream& out, bool terminal);
  // The cursor and the first page come back; the last page shown stays beneath the prompt.
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(const std::vector<std::string>& lines);

 private:
  std::ostream& out_;
  bool terminal_;
  std::vector<std::string> shown_;
};

// `text` cut to `columns` characters on the screen; colours take no room and are switched off.
[[nodiscard]] std::string fit(const std::string& text, std::size_t columns);

}  // namespace ktrain
