// dump_instructions FOLDER: what every instruction of instructions.h gives on this GPU, a file
// each. Kept as tests/cuda/golden/, they hold the emulation to that GPU. What it cannot give -
// Hopper's own instructions, of another GPU or program - is left out, and said.
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
    const ktrain::Stream stream;
    const test::Dump dump = test::dump_cases(stream.get(), *found.gpu, arguments[1]);
    for (const std::string& line : dump.left_out) std::cout << "left out: " << line << '\n';
    std::cout << dump.written << " instructions in " << arguments[1] << ", " << dump.left_out.size()
              << " left out\n";
  } catch (const std::exception& error) {
    std::cerr << "dump_instructions: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
