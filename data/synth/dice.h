// The random choices of one scene, in the order in which they are asked for: Philox by (seed,
// scene), so that no scene depends on another, on the number of scenes or on threads.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/random.h"

namespace ktrain::synth {

class Dice {
 public:
  Dice(std::uint64_t seed, std::uint32_t scene)
      : key_(random_key(seed, RandomStream::kSynthScene)), scene_(scene) {}

  // Even on [0, 1).
  float unit() { return uniform_float(random_words(key_, scene_, next_++)); }
  float within(float low, float high) { return low + (high - low) * unit(); }
  bool chance(float probability) { return unit() < probability; }
  // Even on 0 .. bound-1.
  int below(int bound) {
    return static_cast<int>(
        uniform_integer(key_, scene_, next_++, static_cast<std::uint32_t>(bound)));
  }
  std::uint32_t word() { return random_words(key_, scene_, next_++).word[0]; }
  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& from) {
    return from[static_cast<std::size_t>(below(static_cast<int>(N)))];
  }

 private:
  RandomKey key_;
  std::uint32_t scene_;
  std::uint32_t next_ = 0;
};

}  // namespace ktrain::synth
