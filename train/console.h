// What a run says: permanent lines, one live line on a terminal, or JSON records for a program.
#pragma once

#include <ostream>
#include <string>

namespace ktrain {

class Console {
 public:
  enum class Mode { kText, kQuiet, kJson };

  // `terminal`: the stream is one that can rewrite its last line.
  Console(std::ostream& out, Mode mode, bool terminal)
      : out_(out), mode_(mode), terminal_(terminal && mode == Mode::kText) {}
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // Text for people; may have several lines. Not shown in the modes quiet and json.
  void text(const std::string& text);
  // Text that is shown in mode quiet too: what the run came to.
  void result(const std::string& text);
  // Replaces the last live line. Terminals only.
  void live(const std::string& text);
  // One JSON object. Mode json only.
  void record(const std::string& json);

 private:
  void write(const std::string& text);
  void erase_live();

  std::ostream& out_;
  Mode mode_;
  bool terminal_;
  std::size_t live_width_ = 0;
};

// "3:07", "2:05:11"
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace ktrain
