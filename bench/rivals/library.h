// A shared library that may be absent: nothing of it is linked, functions are looked up by name.
#pragma once

#include <string>
#include <vector>

namespace ktrain::bench {

class Library {
 public:
  // Opens the first of the names that can be: in the folders of KT_RIVALS (separated by ':'), where
  // the system looks, in /usr/local/cuda/lib64.
  explicit Library(const std::vector<std::string>& names);
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  [[nodiscard]] bool loaded() const { return handle_ != nullptr; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Why it is absent, or which function it lacks; empty when all is well.
  [[nodiscard]] const std::string& reason() const { return reason_; }

  // The function of that name; null when the library is absent or lacks it, which reason() says.
  template <class F>
  void find(const char* name, F*& function) {
    function = reinterpret_cast<F*>(symbol(name));
  }

 private:
  void* symbol(const char* name);

  void* handle_ = nullptr;  // never closed: libraries of this kind keep threads
  std::string path_, reason_;
};

}  // namespace ktrain::bench
