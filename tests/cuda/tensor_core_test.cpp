// The matrix instructions, one warp each, against what the PTX ISA says of their fragments: here by
// element i of a lane's fragment, as the ISA writes it. On a GPU this tests the emulation's model.
#include "tests/cuda/probes/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/close.h"
#include "tests/support/cuda.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::Multiplication;

constexpr int kLanes = 32;

struct Place {
  int row, col;
};
using Layout = Place (*)(int lane, int i);

int group_id(int lane) { return lane >> 2; }
int id_in_group(int lane) { return lane % 4; }

// "Matrix Fragments for mma.m16n8k16 with floating point type": .bf16
Place bf16_a(int lane, int i) {
  return {(i < 2 || (i >= 4 && i < 6)) ? group_id(lane) : group_id(lane) + 8,
          id_in_group(lane) * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
Place bf16_b(int lane, int i) {
  return {id_in_group(lane) * 2 + (i & 1) + (i >= 2 ? 8 : 0), group_id(lane)};
}
// "Matrix Fragments for mma.m16n8k8": .tf32
Place tf32_a(int lane, int i) {
  return {(i == 0 || i == 2) ? group_id(lane) : group_id(lane) + 8,
          (i == 0 || i == 1) ? id_in_group(lane) : id_in_group(lane) + 4};
}
Place tf32_b(int lane, int i) {
  return {i == 0 ? id_in_group(lane) : id_in_group(lane) + 4, group_id(lane)};
}
// Both: "c0, c1: row groupID; c2, c3: row groupID + 8"
Place accumulator(int lane, int i) {
  return {i < 2 ? group_id(lane) : group_id(lane) + 8, id_in_group(lane) * 2 + (i & 1)};
}

// The fragments of a matrix: `each` elements of every lane.
std::vector<float> fragments(const std::vector<float>& matrix, int cols, int each, Layout layout) {
  std::vector<float> values;
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < each; ++i) {
      const Place at = layout(lane, i);
      values.push_back(matrix[static_cast<std::size_t>(at.row * cols + at.col)]);
    }
  return values;
}

// Values of 8 bits of fraction, exact in both types, to registers.
std::vector<std::uint32_t> registers(const std::vector<float>& values, Multiplication kind) {
  std::vector<std::uint32_t> r;
  if (kind == Multiplication::kTf32) {
    for (const float v : values) r.push_back(std::bit_cast<std::uint32_t>(v));
    return r;
  }
  for (std::size_t i = 0; i < values.size(); i += 2)
    r.push_back(std::bit_cast<std::uint32_t>(values[i]) >> 16 |
                (std::bit_cast<std::uint32_t>(values[i + 1]) & 0xFFFF0000u));
  return r;
}

std::vector<float> short_floats(std::int64_t size, unsigned seed) {
  std::vector<float> values = test::random_floats(size, seed);
  for (float& v : values) v = std::round(v * 128) / 128;
  return values;
}

void expect_product(Multiplication kind) {
  const bool tf32 = kind == Multiplication::kTf32;
  const int depth = tf32 ? 8 : 16;
  const std::vector<float> a = short_floats(16 * depth, 1), b = short_floats(depth * 8, 2),
                           c = short_floats(16 * 8, 3);
  std::vector<float> d = c;
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n)
      for (int k = 0; k < depth; ++k)
        d[static_cast<std::size_t>(m * 8 + n)] +=
            a[static_cast<std::size_t>(m * depth + k)] * b[static_cast<std::size_t>(k * 8 + n)];
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<std::uint32_t> da(
      s, registers(fragments(a, depth, tf32 ? 4 : 8, tf32 ? tf32_a : bf16_a), kind));
  const DeviceView<std::uint32_t> db(
      s, registers(fragments(b, 8, tf32 ? 2 : 4, tf32 ? tf32_b : bf16_b), kind));
  const DeviceView<float> dc(s, fragments(c, 8, 4, accumulator)), dd(kLanes * 4);
  test::probe_multiply(s, kind, da.data(), db.data(), dc.data(), dd.data());
  // Multiples of 2^-14 below 32: every sum is exact, in any order.
  EXPECT_TRUE(test::same_bits(dd.to_host(s), fragments(d, 8, 4, accumulator)));
}

TEST(TensorCore, MultipliesBf16AsThePtxIsaSays) {
  KT_NEEDS_GPU();
  expect_product(Multiplication::kBf16);
}

TEST(TensorCore, MultipliesTf32AsThePtxIsaSays) {
  KT_NEEDS_GPU();
  expect_product(Multiplication::kTf32);
}

TEST(TensorCore, KeepsNotANumberAndInfinity) {
  KT_NEEDS_GPU();
  const Stream stream;
  const CudaStream s = stream.get();
  for (const Multiplication kind : {Multiplication::kBf16, Multiplication::kTf32}) {
    std::vector<float> one(16 * 16, 0.0f);
    one[0] = std::numeric_limits<float>::infinity();
    one[16] = std::numeric_limits<float>::quiet_NaN();  // row 1 of 16 columns
    const bool tf32 = kind == Multiplication::kTf32;
    const DeviceView<std::uint32_t> a(
        s, registers(fragments(one, 16, tf32 ? 4 : 8, tf32 ? tf32_a : bf16_a), kind));
    const DeviceView<std::uint32_t> b(
        s, registers(std::vector<float>(kLanes * (tf32 ? 2 : 4), 1.0f), kind));
    const DeviceView<float> c(s, std::vector<float>(kLanes * 4, 1.0f)), d(kLanes * 4);
    test::probe_multiply(s, kind, a.data(), b.data(), c.data(), d.data());
    const std::vector<float> got = d.to_host(s);
    for (int lane = 0; lane < kLanes; ++lane)
      for (int i = 0; i < 4; ++i) {
        const float v = got[static_cast<std::size_t>(lane * 4 + i)];
        const int row = accumulator(lane, i).row;
        if (row == 1)
          EXPECT_TRUE(std::isnan(v));
        else
          EXPECT_EQ(v, row == 0 ? std::numeric_limits<float>::infinity() : 1.0f);
      }
  }
}

// "Each row ... thread i gets element 2 (i % 4) and the next one of row i / 4; with .trans the
// matrix is loaded in column-major format". Rows are named in an order of no pattern.
TEST(TensorCore, LoadsMatricesAsThePtxIsaSays) {
  KT_NEEDS_GPU();
  const Stream stream;
  const CudaStream s = stream.get();
  std::vector<std::uint16_t> elements(kLanes * 8);
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<std::uint16_t>(i + 1);
  std::vector<std::int32_t> rows(kLanes);
  for (int l = 0; l < kLanes; ++l) rows[static_cast<std::size_t>(l)] = (l * 11 + 5) % kLanes;
  const DeviceView<std::uint16_t> matrices(s, elements);
  const DeviceView<std::int32_t> named(s, rows);
  for (const bool transposed : {false, true}) {
    SCOPED_TRACE(transposed);
    const DeviceView<std::uint32_t> r(kLanes * 4);
    test::probe_load_matrices(s, transposed, matrices.data(), named.data(), r.data());
    std::vector<std::uint32_t> want;
    for (int lane = 0; lane < kLanes; ++lane)
      for (int matrix = 0; matrix < 4; ++matrix) {
        const auto element = [&](int row, int col) {
          if (transposed) std::swap(row, col);
          const int line = rows[static_cast<std::size_t>(matrix * 8 + row)];
          return std::uint32_t{elements[static_cast<std::size_t>(line * 8 + col)]};
        };
        const int row = lane / 4, col = lane % 4 * 2;
        want.push_back(element(row, col) | element(row, col + 1) << 16);
      }
    EXPECT_EQ(r.to_host(s), want);
  }
}

TEST(TensorCore, CopiesGroupsInTheirOrderAndFillsWithZeros) {
  KT_NEEDS_GPU();
  const Stream stream;
  const CudaStream s = stream.get();
  std::vector<std::uint8_t> bytes(kLanes * 16), cut;
  std::vector<std::int32_t> counts(kLanes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
  for (std::size_t l = 0; l < counts.size(); ++l) counts[l] = static_cast<std::int32_t>(l % 17);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    cut.push_back(static_cast<std::int32_t>(i % 16) < counts[i / 16] ? bytes[i] : std::uint8_t{0});
  const DeviceView<std::uint8_t> from(s, bytes), first(kLanes * 16), second(kLanes * 16);
  const DeviceView<std::int32_t> sizes(s, counts);
  test::probe_copy(s, from.data(), sizes.data(), first.data(), second.data());
  EXPECT_EQ(first.to_host(s), cut);
  EXPECT_EQ(second.to_host(s), bytes);
}

// "rna: nearest, ties away from zero" to 10 bits of fraction.
TEST(TensorCore, RoundsToTf32) {
  KT_NEEDS_GPU();
  const Stream stream;
  const CudaStream s = stream.get();
  constexpr float kUlp = 1.0f / 1024;
  std::vector<float> x = test::random_floats(kLanes, 4, -100, 100);
  const std::vector<float> special = {1 + kUlp / 2,
                                      -1 - kUlp / 2,
                                      1 + kUlp * 0.499f,
                                      1 + 1.5f * kUlp,
                                      0.0f,
                                      3.4e38f,
                                      std::numeric_limits<float>::infinity()};
  const std::vector<float> want = {1 + kUlp,
                                   -1 - kUlp,
                                   1.0f,
                                   1 + 2 * kUlp,
                                   0.0f,
                                   3.4e38f,
                                   std::numeric_limits<float>::infinity()};
  std::copy(special.begin(), special.end(), x.begin());
  const DeviceView<float> dx(s, x);
  const DeviceView<std::uint32_t> bits(kLanes);
  test::probe_to_tf32(s, dx.data(), bits.data());
  const std::vector<std::uint32_t> got = bits.to_host(s);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const float v = std::bit_cast<float>(got[i]);
    EXPECT_EQ(got[i] & 0x1FFFu, 0u) << x[i];
    if (i < want.size() && i != 5)
      EXPECT_EQ(v, want[i]) << x[i];
    else
      EXPECT_LE(std::abs(v - x[i]), std::ldexp(std::abs(x[i]), -11)) << x[i];
  }
}

}  // namespace
}  // namespace ktrain
