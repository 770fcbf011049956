#include "train/event_file.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <limits>

#include <fmt/format.h>
#include <unistd.h>

namespace ktrain {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPrefix = "events.out.tfevents.";

double now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The name's second, or the one after the latest file's: two processes in one second, or a clock
// that was set back, must not swap the order of files.
std::int64_t name_seconds(const std::string& folder) {
  auto seconds = static_cast<std::int64_t>(now());
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t there = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), there);
    if (there < std::numeric_limits<std::int64_t>::max()) seconds = std::max(seconds, there + 1);
  }
  return seconds;
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "localhost";
  return name;
}

}  // namespace

EventFile::EventFile(const std::string& folder, std::int64_t first_step, const Notice& notice)
    : notice_(notice) {
  std::error_code refused;  // the open below then fails, too
  fs::create_directories(folder, refused);
  path_ = fmt::format("{}/{}{:010}.{}.{}", folder, kPrefix, name_seconds(folder), host_name(),
                      ::getpid());
  stream_.open(path_, std::ios::binary | std::ios::trunc);
  append(version_record(now()));
  append(session_start_record(now(), first_step));
}

void EventFile::scalars(std::int64_t step, std::span<const EventScalar> scalars) {
  if (!scalars.empty()) append(scalars_record(now(), step, scalars));
}

void EventFile::image(std::int64_t step, const std::string& tag, const Image& image) {
  const auto jpeg = encode_jpeg(image);
  append(image_record(now(), step,
                      {.tag = tag,
                       .height = image.height,
                       .width = image.width,
                       .encoded = {reinterpret_cast<const char*>(jpeg.data()), jpeg.size()}}));
}

// A record that was cut short would make TensorBoard wait for its rest for ever: after a failure
// the file takes nothing more.
void EventFile::append(const std::string& record) {
  if (failed_ || stream_ << record << std::flush) return;
  failed_ = true;
  notice_(fmt::format(
      "{}: cannot be written; TensorBoard gets nothing more of this run, which goes on", path_));
}

}  // namespace ktrain
