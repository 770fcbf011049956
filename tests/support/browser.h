// Headless Chromium, where there is one.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/temporary_folder.h"

namespace ktrain::test {

// "" when there is none.
inline std::string browser() {
  for (const char* const name : {"chromium", "chromium-browser", "google-chrome"}) {
    const std::string command = std::string("command -v ") + name + " >/dev/null 2>&1";
    if (std::system(command.c_str()) == 0) return name;
  }
  return "";
}

// The page as it is after its scripts have run; no network is reached.
inline std::string rendered(const std::string& page) {
  const TemporaryFolder profile;
  const std::string command = "timeout 60 " + browser() +
                              " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
                              " --proxy-server=127.0.0.1:9 --user-data-dir=" +
                              profile.path() + " --virtual-time-budget=5000 --dump-dom 'file://" +
                              page + "' 2>/dev/null";
  std::string text;
  FILE* const pipe = ::popen(command.c_str(), "r");
  std::array<char, 65536> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), n);
  ::pclose(pipe);
  return text;
}

}  // namespace ktrain::test
