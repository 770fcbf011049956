#include "tests/cuda/instructions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "kernels/bfloat16.h"
#include "tests/cuda/probes/tensor_core.h"
#include "tests/support/device_view.h"

namespace ktrain::test {
namespace {

using Bits = std::vector<std::uint32_t>;
constexpr int kLanes = 32;

Bits bits_of(const std::vector<float>& values) {
  Bits bits;
  for (const float v : values) bits.push_back(std::bit_cast<std::uint32_t>(v));
  return bits;
}

std::uint32_t bf16_pair(float low, float high) {
  const std::uint16_t x = to_bfloat16(low).bits, y = to_bfloat16(high).bits;
  return std::uint32_t{x} | std::uint32_t{y} << 16;
}

// What fills the fragments of a matrix.
enum class Fill : std::uint8_t {
  kExact,    // products and sums without rounding
  kUniform,  // of -1 to 1
  kWide,     // of 2^-30 to 2^30: what is lost when terms are aligned to the largest
  kTiny,     // products and sums around the smallest normal numbers
};

std::vector<float> numbers(Fill fill, std::int64_t size, unsigned seed, int tiny) {
  std::vector<float> values = random_floats(size, seed);
  const std::vector<float> exponents = random_floats(size, seed + 100, -30, 30);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (fill == Fill::kExact) values[i] = std::round(values[i] * 128) / 128;
    if (fill == Fill::kWide) values[i] = std::ldexp(values[i], static_cast<int>(exponents[i]));
    if (fill == Fill::kTiny)
      values[i] = std::ldexp(values[i], tiny + static_cast<int>(exponents[i]) / 10);
  }
  return values;
}

float rounded_to_tf32(float x) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(x) + 0x1000u) & ~0x1FFFu);
}

// The terms of one element of d, from the fragments as the ISA deals them out: a lane holds rows
// lane / 4 and + 8 of a, column lane / 4 of b, in groups of columns that are lane % 4's.
struct Fragments {
  std::vector<float> a, b, c;  // by lane: 8, 4, 4 (bf16) or 4, 2, 4 (tf32)
  bool tf32;

  [[nodiscard]] float left(int row, int k) const {
    const int half = tf32 ? k / 4 : k / 8, inside = tf32 ? k % 4 : k % 8;
    const int lane = row % 8 * 4 + (tf32 ? inside : inside / 2);
    const int i = tf32 ? row / 8 + 2 * half : row / 8 * 2 + 4 * half + inside % 2;
    return a[static_cast<std::size_t>(lane * (tf32 ? 4 : 8) + i)];
  }
  [[nodiscard]] float right(int k, int col) const {
    const int half = tf32 ? k / 4 : k / 8, inside = tf32 ? k % 4 : k % 8;
    const int lane = col * 4 + (tf32 ? inside : inside / 2);
    const int i = tf32 ? half : 2 * half + inside % 2;
    return b[static_cast<std::size_t>(lane * (tf32 ? 2 : 4) + i)];
  }
};

// Tensor cores align all terms of a sum to the largest and drop what is below 24 bits of it (Fasi,
// Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021), perhaps in
// blocks; the emulation rounds the exact sum once. Subnormal numbers count in both.
std::vector<double> multiply_bounds(const Fragments& f) {
  const int depth = f.tf32 ? 8 : 16;
  std::vector<double> bounds;
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;
      double largest = std::abs(double{f.c[static_cast<std::size_t>(lane * 4 + i)]});
      for (int k = 0; k < depth; ++k)
        largest = std::max(largest, std::abs(double{f.left(row, k)} * double{f.right(k, col)}));
      bounds.push_back((depth + 2) * (std::ldexp(largest, -23) +
                                      double{std::numeric_limits<float>::denorm_min()}));
    }
  return bounds;
}

Words multiply(CudaStream stream, bool tf32, Fill fill) {
  const int of_a = tf32 ? 4 : 8, of_b = tf32 ? 2 : 4;
  Fragments f{numbers(fill, kLanes * of_a, 1, -63), numbers(fill, kLanes * of_b, 2, -63),
              numbers(fill, kLanes * 4, 3, -126), tf32};
  const auto shorten = [&](std::vector<float>& values) {
    for (float& v : values) v = tf32 ? rounded_to_tf32(v) : to_float(to_bfloat16(v));
  };
  shorten(f.a);
  shorten(f.b);
  const auto registers = [&](const std::vector<float>& values) {
    if (tf32) return bits_of(values);
    Bits packed;
    for (std::size_t i = 0; i < values.size(); i += 2)
      packed.push_back(bf16_pair(values[i], values[i + 1]));
    return packed;
  };
  const DeviceView<std::uint32_t> a(stream, registers(f.a)), b(stream, registers(f.b));
  const DeviceView<float> c(stream, f.c), d(kLanes * 4);
  probe_multiply(stream, tf32 ? Multiplication::kTf32 : Multiplication::kBf16, a.data(), b.data(),
                 c.data(), d.data());
  return {bits_of(d.to_host(stream)),
          fill == Fill::kExact ? std::vector<double>{} : multiply_bounds(f)};
}

Words load_matrices(CudaStream stream, bool transposed) {
  std::vector<std::uint16_t> elements(kLanes * 8);
  for (std::size_t i = 0; i < elements.size(); ++i)
    elements[i] = static_cast<std::uint16_t>(i * 259 + 1);
  std::vector<std::int32_t> rows(kLanes);
  for (int l = 0; l < kLanes; ++l) rows[static_cast<std::size_t>(l)] = (l * 11 + 5) % kLanes;
  const DeviceView<std::uint16_t> matrices(stream, elements);
  const DeviceView<std::int32_t> named(stream, rows);
  const DeviceView<std::uint32_t> r(kLanes * 4);
  probe_load_matrices(stream, transposed, matrices.data(), named.data(), r.data());
  return {.values = r.to_host(stream), .floats = false};
}

Words copy_async(CudaStream stream) {
  std::vector<std::uint8_t> bytes(kLanes * 16);
  std::vector<std::int32_t> counts(kLanes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
  for (std::size_t l = 0; l < counts.size(); ++l)
    counts[l] = static_cast<std::int32_t>(16 - l % 17);
  const DeviceView<std::uint8_t> from(stream, bytes), first(kLanes * 16), second(kLanes * 16);
  const DeviceView<std::int32_t> sizes(stream, counts);
  probe_copy(stream, from.data(), sizes.data(), first.data(), second.data());
  Bits words;
  for (const DeviceView<std::uint8_t>* const part : {&first, &second}) {
    const std::vector<std::uint8_t> got = part->to_host(stream);
    for (std::size_t i = 0; i < got.size(); i += 4)
      words.push_back(std::uint32_t{got[i]} | std::uint32_t{got[i + 1]} << 8 |
                      std::uint32_t{got[i + 2]} << 16 | std::uint32_t{got[i + 3]} << 24);
  }
  return {.values = words, .floats = false};
}

Words to_tf32(CudaStream stream) {
  constexpr float kUlp = 1.0f / 1024, kInf = std::numeric_limits<float>::infinity();
  std::vector<float> x = random_floats(kLanes, 4, -100, 100);
  const std::vector<float> special = {1 + kUlp / 2, -1 - kUlp / 2, 1 + 1.5f * kUlp, 0.0f,   -0.0f,
                                      kInf,         -kInf,         3.3e38f,         1e-38f, 1e-41f};
  std::copy(special.begin(), special.end(), x.begin());
  const DeviceView<float> dx(stream, x);
  const DeviceView<std::uint32_t> bits(kLanes);
  probe_to_tf32(stream, dx.data(), bits.data());
  return {bits.to_host(stream)};
}

}  // namespace

const std::vector<InstructionCase>& instruction_cases() {
  static const std::vector<InstructionCase> cases = [] {
    std::vector<InstructionCase> list;
    const std::pair<const char*, Fill> fills[] = {{"exact", Fill::kExact},
                                                  {"uniform", Fill::kUniform},
                                                  {"wide", Fill::kWide},
                                                  {"tiny", Fill::kTiny}};
    for (const bool tf32 : {false, true})
      for (const auto& [name, fill] : fills)
        list.push_back({fmt::format("mma_{}_{}", tf32 ? "tf32" : "bf16", name),
                        [tf32, fill = fill](CudaStream s) { return multiply(s, tf32, fill); }});
    list.push_back({"ldmatrix", [](CudaStream s) { return load_matrices(s, false); }});
    list.push_back({"ldmatrix_trans", [](CudaStream s) { return load_matrices(s, true); }});
    list.push_back({"cp_async", copy_async});
    list.push_back({"cvt_rna_tf32", to_tf32});
    for (InstructionCase& instruction : warpgroup_cases()) list.push_back(std::move(instruction));
    return list;
  }();
  return cases;
}

}  // namespace ktrain::test
