// What the machine is doing: processors, memory, and GPUs where a driver answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ktrain {

struct GpuState {
  std::string name;
  unsigned busy_percent = 0;
  std::uint64_t used_bytes = 0, total_bytes = 0;
  std::optional<unsigned> celsius;
};

struct MachineState {
  int cores = 0;
  std::optional<double> load;          // runnable processes, mean over a minute
  std::optional<double> busy_percent;  // of all cores, since the last look; none at the first
  std::optional<std::uint64_t> used_bytes, total_bytes;
  std::vector<GpuState> gpus;
};

class Machine {
 public:
  // Opens NVIDIA's management library when there is one.
  Machine();
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] MachineState look();

 private:
  void look_at_gpus(MachineState& state) const;

  void* library_ = nullptr;
  std::uint64_t busy_ = 0, all_ = 0;  // the kernel's clock ticks at the last look
};

}  // namespace ktrain
