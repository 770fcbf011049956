// The list of benchmarks. A case is one kernel at one shape of a training step, written once for
// both devices; every *_cases.cpp of bench/cases adds its own at the program's start.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/lab.h"

namespace ktrain::bench {

// What numbers a product is taken in.
enum class Precision : std::uint8_t { kFloat, kTf32, kBf16 };
[[nodiscard]] const char* name(Precision precision);

// Another library's kernel for the same work on the same arrays.
struct Rival {
  std::string name;  // "cuDNN float"
  std::function<void()> run;
  std::string absent;       // why it cannot run here; then `run` is empty
  bool own_arrays = false;  // it cannot be held against our result
};

// A case that is ready to run. `bytes`: what must be read and written at least, once; `flops`: a
// multiply-add is two, counted as the direct method has them. The ceiling is the slower of both.
struct Job {
  double bytes = 0;
  double flops = 0;
  std::function<void()> run;  // enqueues on the lab's queue
  Precision precision = Precision::kFloat;
  std::vector<Rival> rivals;
  // What the run and its rivals write: before anything is timed they must agree, negative numbers
  // taken for 0 where `relu` is fused into ours. Empty: rivals are taken at their word.
  Array<float> output = {};
  bool relu = false;
};

struct Case {
  std::string family;  // "conv2d"
  std::string op;      // "forward"
  std::string shape;   // "P2 3x3 256-256"
  std::function<Job(const Lab&)> prepare;
  bool cuda_only = false;  // the CPU has no such kernel: left out there

  [[nodiscard]] std::string name() const { return family + "/" + op + "/" + shape; }
};

[[nodiscard]] std::vector<Case>& cases();

// For a namespace-scope constant of a file of cases. Returns true.
bool add_case(const std::string& family, const std::string& op, const std::string& shape,
              std::function<Job(const Lab&)> prepare);

// Two images of 640x512 is what the shapes come from: the smallest batch that is trained with.
inline constexpr std::int64_t kImages = 2, kHeight = 512, kWidth = 640;
// Weights of one ResNet-50 stream, and of a detector with two.
inline constexpr std::int64_t kBackboneWeights = 23508032, kDetectorWeights = 66700000;

}  // namespace ktrain::bench
