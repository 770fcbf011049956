#include "train/plan_scan.h"

#include "runtime/fault.h"

namespace ktrain {
namespace {

// Walks the text as TOML's lexer does; past the first syntax error it may differ, but there the
// parser has already stopped.
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  void run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#')
        skip_comment();
      else if (c == '"' || c == '\'')
        skip_string(c);
      else
        step(c);
    }
  }

 private:
  void step(char c) {
    if (c == '[' || c == '{') {
      if (++depth_ > kMostPlanNesting) refuse("brackets are nested");
    } else if ((c == ']' || c == '}') && depth_ > 0) {
      --depth_;
    }
    if (c == '.') {
      if (++dots_ > kMostPlanNesting) refuse("a key has dots");
    } else if (c == '\n' || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
      dots_ = 0;
    }
    advance();
  }

  void skip_comment() {
    while (at_ < text_.size() && text_[at_] != '\n') advance();
  }

  void skip_string(char quote) {
    const bool many = text_.substr(at_, 3) == std::string(3, quote);
    for (int i = 0; i < (many ? 3 : 1); ++i) advance();
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) {
        advance();
        advance();
      } else if (many && text_.substr(at_, 3) == std::string(3, quote)) {
        // Up to two quotes may stand before the closing three.
        while (at_ < text_.size() && text_[at_] == quote) advance();
        return;
      } else if (!many && (text_[at_] == quote || text_[at_] == '\n')) {
        advance();
        return;
      } else {
        advance();
      }
    }
  }

  void advance() {
    if (text_[at_++] == '\n') {
      ++line_;
      line_begin_ = at_;
    }
  }

  [[noreturn]] void refuse(const char* what) const {
    throw_fault("KT-CFG-007", "{}:{}:{}: {} deeper than {}; write the plan flatter",
                printable(file_, 200), line_, at_ - line_begin_ + 1, what, kMostPlanNesting);
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0, line_ = 1, line_begin_ = 0;
  int depth_ = 0, dots_ = 0;
};

}  // namespace

void scan_plan(std::string_view text, const std::string& file) {
  if (text.size() > kMostPlanBytes)
    throw_fault("KT-CFG-007", "{}: {} bytes; a plan has at most {}", printable(file, 200),
                text.size(), kMostPlanBytes);
  Scanner(text, file).run();
}

}  // namespace ktrain
