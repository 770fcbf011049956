// Who draws random numbers in ktrain, and tensors that start random. See kernels/random.h: every
// number is a pure function of (seed, stream, epoch, sample, index).
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/random.h"
#include "runtime/tensor.h"

namespace ktrain {

// The `stream` of a RandomKey. Numbers are part of what a seed means: never reuse one.
enum class RandomStream : std::uint32_t {
  kInitialWeights = 1,  // sample: of the parameter's name
  kRpnSamples = 2,      // epoch: the step; sample: the image pair
  kRoiSamples = 3,      // as above
  kPairOrder = 4,       // the permutation of an epoch
  kAugment = 5,         // epoch; sample: the pair's place in the index
  kSynthScene = 6,      // sample: the scene of the built-in data set
  kSynthSensor = 7,     // sample: the scene; index: the pixel
};

[[nodiscard]] constexpr RandomKey random_key(std::uint64_t seed, RandomStream stream,
                                             std::uint32_t epoch = 0) {
  return {seed, static_cast<std::uint32_t>(stream), epoch};
}

// The distribution from which a parameter's elements are drawn.
struct Initial {
  enum class Kind : std::uint8_t { kConstant, kUniform, kNormal, kIdentity };
  Kind kind = Kind::kConstant;
  // The constant, the half width around 0, the standard deviation around 0, or what stands on the
  // diagonal of every square block along the last axis, with 0 elsewhere.
  double scale = 0;
};

// Even within +-sqrt(6 / (fan_in + fan_out)); fans as PyTorch counts them: axis 0 is the output,
// the last axis the input, those between are taps.
[[nodiscard]] Initial xavier_uniform(const Shape& shape);
// N(0, 2 / fan_out): keeps the size of gradients through ReLU layers.
[[nodiscard]] Initial kaiming_normal(const Shape& shape);
[[nodiscard]] constexpr Initial normal(double std) { return {Initial::Kind::kNormal, std}; }
[[nodiscard]] constexpr Initial constant(double value) { return {Initial::Kind::kConstant, value}; }

// Of a 1x1 filter over several maps of `outputs` channels each: scale times their sum.
[[nodiscard]] constexpr Initial identity(double scale) { return {Initial::Kind::kIdentity, scale}; }

// A float tensor whose elements are a function of seed, name and shape alone: adding a parameter to
// a model changes no other's start. In a planning context the elements stay unwritten.
[[nodiscard]] Tensor initial_tensor(const ContextPtr& context, const Shape& shape,
                                    const Initial& initial, std::uint64_t seed,
                                    std::string_view name);

}  // namespace ktrain
