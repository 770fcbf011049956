#include "train/machine_text.h"

#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <sys/utsname.h>

#include "kernels/parallel.h"
#include "runtime/arena.h"

namespace ktrain {
namespace {

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

std::string version_text() { return KT_VERSION; }

std::string machine_text() {
  struct utsname system {};
  ::uname(&system);
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  return fmt::format(
      "ktrain     {}\ncompiler   {}\nprocessor  {}\ncores      {}\nthreads    {}\n"
      "memory     {:.1f} GiB, {:.1f} GiB available\nkernel     {} {}\n",
      version_text(), __VERSION__, processor(), std::thread::hardware_concurrency(), num_threads(),
      static_cast<double>(physical_memory_bytes()) / kGiB,
      static_cast<double>(available_memory_bytes()) / kGiB, system.sysname, system.release);
}

}  // namespace ktrain
