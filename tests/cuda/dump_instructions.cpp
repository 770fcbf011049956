// dump_instructions FOLDER: what every instruction of instructions.h gives on this GPU, a file
// each. Kept as tests/cuda/golden/, they hold the emulation to that GPU.
#include <filesystem>
#include <iostream>

#include "kernels/device/stream.h"
#include "kernels/gpu.h"
#include "tests/cuda/instructions.h"

int main(int count, char** arguments) {
  namespace test = ktrain::test;
  if (count != 2) {
    std::cerr << "dump_instructions: one folder wanted, " << count - 1 << " arguments given\n";
    return 64;
  }
  try {
    const ktrain::GpuQuery found = ktrain::find_gpu();
    if (!found.gpu) {
      std::cerr << "dump_instructions: no GPU: " << found.reason << '\n';
      return 2;
    }
    const std::string folder = arguments[1];
    std::filesystem::create_directories(folder);
    const ktrain::Stream stream;
    for (const test::InstructionCase& instruction : test::instruction_cases())
      test::write_words(folder, instruction.name, found.gpu->name,
                        instruction.run(stream.get()).values);
    std::cout << test::instruction_cases().size() << " instructions in " << folder << '\n';
  } catch (const std::exception& error) {
    std::cerr << "dump_instructions: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
