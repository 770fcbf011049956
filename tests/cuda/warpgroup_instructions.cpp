// What Hopper's instructions give: multiplications of a warpgroup, tensor copies, and what these
// count on a barrier.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "kernels/bfloat16.h"
#include "tests/cuda/instructions.h"
#include "tests/cuda/warpgroup_inputs.h"
#include "tests/support/device_view.h"

namespace ktrain::test {
namespace {

constexpr int kDepth = 16, kRows = 64, kThreads = 128;

std::uint16_t bits(float v) { return to_bfloat16(v).bits; }

enum class Fill : std::uint8_t {
  kPattern,  // sum (row, col) is 256 row + col: who holds which
  kNormal,   // nearly normal: the sum of twelve even draws
  kWide,     // of 2^-30 to 2^30: what is lost when terms are aligned to the largest
};

Elements drawn(Fill fill) {
  const std::int64_t size = kProbeImageBytes / 2;
  std::vector<float> values(static_cast<std::size_t>(size));
  if (fill == Fill::kNormal) {
    for (unsigned seed = 1; seed <= 12; ++seed) {
      const std::vector<float> even = random_floats(size, seed, -0.5, 0.5);
      for (std::size_t i = 0; i < even.size(); ++i) values[i] += even[i];
    }
  } else {
    const std::vector<float> exponents = random_floats(size, 2, -30, 30);
    values = random_floats(size, 1);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = std::ldexp(values[i], static_cast<int>(exponents[i]));
  }
  Elements image;
  for (const float v : values) image.push_back(bits(v));
  return image;
}

// Row i of a is (i, 1, 0, 0, ...), column j of b is (256, j, 0, 0, ...); all else would be seen.
Elements pattern(const ProbeProduct& p) {
  Elements image(kProbeImageBytes / 2, bits(-1e20f));
  const auto write = [&](const ProbeOperand& o, int sides, auto first, auto second) {
    for (int side = 0; side < sides; ++side)
      for (int k = 0; k < kDepth; ++k)
        image[operand_place(o, side, k)] = bits(k == 0   ? first(side)
                                                : k == 1 ? second(side)
                                                         : 0.0f);
  };
  const auto itself = [](int side) { return static_cast<float>(side); };
  write(p.a, kRows, itself, [](int) { return 1.0f; });
  write(
      p.b, p.cols, [](int) { return 256.0f; }, itself);
  return image;
}

// As in instructions.cpp: terms are aligned to the largest and dropped below 24 bits of it. The
// second multiplication adds to the first one's sum, which is a term of it.
std::vector<double> product_bounds(const ProbeProduct& p, const Elements& image) {
  const auto factors = [&](const ProbeOperand& o, int sides) {
    std::vector<double> values;
    for (int side = 0; side < sides; ++side)
      for (int k = 0; k < kDepth; ++k)
        values.push_back(double{to_float(Bfloat16{image[operand_place(o, side, k)]})});
    return values;
  };
  const std::vector<double> a = factors(p.a, kRows), b = factors(p.b, p.cols);
  std::vector<double> bounds;
  for (int thread = 0; thread < kThreads; ++thread)
    for (int i = 0; i < p.cols / 2; ++i) {
      const SumPlace at = sum_place(thread, i);
      double largest = 0, total = 0;
      for (int k = 0; k < kDepth; ++k) {
        const double term = a[static_cast<std::size_t>(at.row * kDepth + k)] *
                            b[static_cast<std::size_t>(at.col * kDepth + k)];
        largest = std::max(largest, std::abs(term));
        total += term;
      }
      largest = std::max(largest, std::abs(total));
      bounds.push_back(
          2 * (kDepth + 2) *
          (std::ldexp(largest, -23) + double{std::numeric_limits<float>::denorm_min()}));
    }
  return bounds;
}

// Operands lie as the tier kWgmma has them in its ring: 64 of k, blocks of 64 sides after each
// other, of which one step of 16 is taken.
ProbeOperand in_ring(bool along_side, int begin, int step) {
  return {along_side, begin + step * (along_side ? kDepth * 128 : kDepth * 2), 64 * 128, 8 * 128};
}

Words multiply(CudaStream stream, int cols, bool side_a, bool side_b, Fill fill) {
  const int step = fill == Fill::kPattern ? 2 : 3;
  const ProbeProduct p{cols, in_ring(side_a, 0, step), in_ring(side_b, kRows * 128, step),
                       fill != Fill::kPattern};
  const Elements image = fill == Fill::kPattern ? pattern(p) : drawn(fill);
  const DeviceView<std::uint16_t> dimage(stream, image);
  const DeviceView<float> d(kThreads * cols / 2);
  probe_multiply(stream, p, dimage.data(), d.data());
  Words words;
  for (const float v : d.to_host(stream)) words.values.push_back(std::bit_cast<std::uint32_t>(v));
  if (fill != Fill::kPattern) words.bounds = product_bounds(p, image);
  words.place = [each = static_cast<std::size_t>(cols / 2)](std::size_t i) {
    return fmt::format("thread {}, sum {}", i / each, i % each);
  };
  return words;
}

// Shared memory as words, `lines` lines of each copy; of each piece of 16 bytes the first `pairs`.
void append_lines(Words& words, const Elements& shared, std::size_t pairs) {
  for (std::size_t piece = 0; piece < shared.size(); piece += 8)
    for (std::size_t i = piece; i < piece + 2 * pairs; i += 2)
      words.values.push_back(std::uint32_t{shared[i]} | std::uint32_t{shared[i + 1]} << 16);
}

std::function<std::string(std::size_t)> place_in_copies(std::size_t lines, std::size_t pairs) {
  return [=](std::size_t i) {
    const std::size_t of_line = 8 * pairs, of_copy = of_line * lines;
    return fmt::format("copy {}, line {}, byte {}", i / of_copy, i % of_copy / of_line,
                       i % of_line / pairs * 16 + i % pairs * 4);
  };
}

struct TileCopies {
  TileMap map;
  std::vector<std::array<int, 3>> corners;

  [[nodiscard]] int lines() const { return map.box[1] * map.box[2]; }
};

TileMap tile_map(std::array<std::int64_t, 3> sizes, std::array<int, 3> box) {
  TileMap map;
  map.rank = sizes[2] == 1 ? 2 : 3;
  map.sizes = sizes;
  map.strides = {sizes[0] * 2, map.rank == 3 ? sizes[0] * sizes[1] * 2 : 0};
  map.box = box;
  return map;
}

TileCopies swizzled_tile() { return {tile_map({64, 16, 1}, {64, 16, 1}), {{0, 0, 0}}}; }
// 72 x 5 elements, past every end; the last two have nothing inside.
TileCopies tiles_across_borders() {
  return {tile_map({72, 5, 1}, {64, 8, 1}),
          {{-8, -2, 0}, {3, 0, 0}, {40, 3, 0}, {-40, 3, 0}, {8, -6, 0}, {72, 0, 0}, {0, 5, 0}}};
}
// Taps of ten filters of 72 channels.
TileCopies taps_of_filters() {
  return {tile_map({72, 3, 10}, {64, 1, 8}), {{0, 0, 0}, {64, 2, 4}, {0, 1, 8}}};
}

Words copy_tiles(CudaStream stream, TileCopies copies) {
  const TileMap& m = copies.map;
  const DeviceView<std::uint16_t> from(
      stream, numbered(static_cast<std::size_t>(m.sizes[0] * m.sizes[1] * m.sizes[2])));
  copies.map.data = from.data();
  const DeviceView<std::uint16_t> out(copies.lines() * kBoxLine);
  Words words{.floats = false};
  for (const std::array<int, 3>& corner : copies.corners) {
    probe_copy_tile(stream, tensor_map(m), m.rank, corner, copies.lines(), out.data());
    append_lines(words, out.to_host(stream), 4);
  }
  words.place = place_in_copies(static_cast<std::size_t>(copies.lines()), 4);
  return words;
}

constexpr int kWindowLines = 32;

// Nine taps of so many windows: the corners of a filter, the middles of its sides and its own.
Words copy_windows(CudaStream stream, const WindowCase& c) {
  const DeviceView<std::uint16_t> from(stream, numbered(c.elements()));
  const DeviceView<std::uint16_t> out(kWindowLines * kBoxLine);
  const TensorMap map = c.map(from.data(), kWindowLines);
  Words words{.floats = false};
  for (const int r : {0, c.taps / 2, c.taps - 1})
    for (const int q : {0, c.taps / 2, c.taps - 1}) {
      probe_copy_windows(stream, map, c.place(r, q), kWindowLines, out.data());
      append_lines(words, out.to_host(stream), 1);
    }
  words.place = place_in_copies(kWindowLines, 1);
  return words;
}

constexpr WindowCase kBorders{9, 14, 1, 3, 1, 1, 53};  // the PTX ISA's first example
constexpr WindowCase kImages{5, 4, 3, 3, 1, 1, 35};    // from one to the next and past the last
constexpr WindowCase kStride{8, 14, 2, 3, 1, 2, 5};

// What each copy counts: its bytes and three answers (probes/warpgroup.h).
Words counted_bytes(CudaStream stream) {
  Words words{.floats = false};
  const DeviceView<std::uint32_t> answers(3);
  const auto append = [&](int bytes) {
    words.values.push_back(static_cast<std::uint32_t>(bytes));
    for (const std::uint32_t answer : answers.to_host(stream)) words.values.push_back(answer);
  };
  for (TileCopies copies : {swizzled_tile(), tiles_across_borders(), taps_of_filters()}) {
    const DeviceView<std::uint16_t> from(
        stream, numbered(static_cast<std::size_t>(copies.map.sizes[0] * copies.map.sizes[1] *
                                                  copies.map.sizes[2])));
    copies.map.data = from.data();
    const int bytes = copies.lines() * kBoxLine * 2;
    for (const std::array<int, 3>& corner : copies.corners) {
      probe_bytes_of_tile(stream, tensor_map(copies.map), copies.map.rank, corner, bytes,
                          answers.data());
      append(bytes);
    }
  }
  for (const WindowCase& c : {kBorders, kImages, kStride}) {
    const DeviceView<std::uint16_t> from(stream, numbered(c.elements()));
    const int bytes = kWindowLines * kBoxLine * 2;
    probe_bytes_of_windows(stream, c.map(from.data(), kWindowLines), c.place(0, 0), bytes,
                           answers.data());
    append(bytes);
  }
  words.place = [](std::size_t i) {
    constexpr const char* kWhat[] = {"bytes", "all of them", "more than them", "and the rest"};
    return fmt::format("copy {}, {}", i / 4, kWhat[i % 4]);
  };
  return words;
}

}  // namespace

std::vector<InstructionCase> warpgroup_cases() {
  std::vector<InstructionCase> list;
  const auto add = [&](const std::string& name, std::function<Words(CudaStream)> run) {
    list.push_back({name, std::move(run), true});
  };
  const auto add_product = [&](int cols, bool a, bool b, const char* name, Fill fill) {
    add(fmt::format("wgmma_{}_a_{}_b_{}_{}", cols, a ? "sides" : "k", b ? "sides" : "k", name),
        [=](CudaStream s) { return multiply(s, cols, a, b, fill); });
  };
  for (const int cols : {64, 128, 256})
    for (const bool a : {false, true})
      for (const bool b : {false, true}) {
        add_product(cols, a, b, "pattern", Fill::kPattern);
        add_product(cols, a, b, "normal", Fill::kNormal);
      }
  add_product(64, false, false, "wide", Fill::kWide);
  add("tma_tile", [](CudaStream s) { return copy_tiles(s, swizzled_tile()); });
  add("tma_tile_borders", [](CudaStream s) { return copy_tiles(s, tiles_across_borders()); });
  add("tma_tile_taps", [](CudaStream s) { return copy_tiles(s, taps_of_filters()); });
  const std::pair<const char*, WindowCase> windows[] = {{"borders", kBorders},
                                                        {"images", kImages},
                                                        {"stride", kStride},
                                                        {"stride_to_spare", {9, 13, 2, 3, 1, 2, 7}},
                                                        {"unpadded", {9, 14, 2, 3, 0, 1, 60}},
                                                        {"padded_twice", {7, 7, 2, 5, 2, 1, 20}}};
  for (const auto& [name, c] : windows)
    add(fmt::format("tma_im2col_{}", name), [c = c](CudaStream s) { return copy_windows(s, c); });
  add("tma_bytes", counted_bytes);
  return list;
}

}  // namespace ktrain::test
