// Errors and the one check that stays in release builds.
#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace ktrain {

// What a caller, a file or the driver got wrong. The text says who, what was found, what was
// wanted. A bug in ktrain itself is an `assert`; nothing that a file or a user says may reach an
// assert.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Error with "message (file:line)"; the source place is relative to the project's root.
[[noreturn]] void fail_at(const char* file, int line, const std::string& message);

template <class... Args>
[[noreturn]] void fail(const char* file, int line, fmt::format_string<Args...> format,
                       Args&&... args) {
  fail_at(file, line, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ktrain

// KT_CHECK(x.rows == y.rows, "softmax_forward: x has {} rows, y {}", x.rows, y.rows);
// An expression, so that it can stand anywhere, an `if` without braces included.
#define KT_CHECK(condition, ...) \
  ((condition) ? void() : ::ktrain::fail(__FILE__, __LINE__, __VA_ARGS__))
