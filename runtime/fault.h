// What the user's command line, plan, data, checkpoint or disk got wrong, in a form that a script
// can rely on: a stable id, an exit code and one line of text.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "kernels/check.h"

namespace ktrain {

// How the process ends. Numbers are sysexits' where the meaning fits; 80 to 89 belong to training.
enum class Exit : int {
  kDone = 0,
  kUsage = 64,
  kData = 65,
  kNoInput = 66,
  kUnavailable = 69,
  kBug = 70,
  kOutOfMemory = 71,
  kCannotCreate = 73,
  kIo = 74,
  kPreempted = 75,
  kPlan = 78,
  kNonFinite = 80,
  kCheckpoint = 84,
  kInterrupted = 130,
};

// One line of the catalogue behind `ktrain explain ID`.
struct Message {
  std::string_view id;  // "KT-DATA-001"; never reused
  Exit exit;
  std::string_view title;        // what happened, in general
  std::string_view explanation;  // why it is an error and what to do; whole sentences
};

// All messages, sorted by id. The families: CFG plan, CLI command line, DATA, CKPT, NUM, IO, SYS.
[[nodiscard]] std::span<const Message> messages();
// nullptr when there is no such id.
[[nodiscard]] const Message* find_message(std::string_view id);

// "KT-DATA-001: <text>". `text` is one line: what, where (file:line:column), found, wanted, remedy.
class Fault : public Error {
 public:
  // `id` must stand in the catalogue.
  Fault(std::string_view id, const std::string& text);
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] Exit exit() const { return exit_; }

 private:
  std::string id_;
  Exit exit_;
};

// throw_fault("KT-CFG-001", "{}:{}:{}: unknown key '{}'", ...)
template <class... Args>
[[noreturn]] void throw_fault(std::string_view id, fmt::format_string<Args...> format,
                              Args&&... args) {
  throw Fault(id, fmt::format(format, std::forward<Args>(args)...));
}

// `text` with control bytes and invalid UTF-8 written as \xNN and cut to `limit` bytes: names from
// files may hold terminal escapes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 80);

}  // namespace ktrain
