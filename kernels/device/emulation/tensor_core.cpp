#include "kernels/device/emulation/tensor_core.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/machine.h"
#include "kernels/device/emulation/memory.h"
#include "kernels/device/emulation/sanitizers.h"
#include "kernels/device/emulation/warp.h"

namespace ktrain::emulation {
namespace {

constexpr int kRows = 16, kCols = 8;  // of d
constexpr unsigned kAllLanes = ~0u;

struct Operands {
  std::uint32_t a[4], b[2];
  float c[4];
};

template <int kDepth>
struct Matrices {
  double a[kRows][kDepth];
  double b[kDepth][kCols];
};

KT_UNWATCHED_SUMS double bf16_half(std::uint32_t pair, int half) {
  return static_cast<double>(std::bit_cast<float>(half ? pair & 0xFFFF0000u : pair << 16));
}

KT_UNWATCHED_SUMS double tf32(std::uint32_t bits) {
  return static_cast<double>(std::bit_cast<float>(bits));
}

KT_UNWATCHED_SUMS void gather(Matrices<16>& m, const Operands& in, int g, int t) {
  for (int i = 0; i < 4; ++i)
    for (int half = 0; half < 2; ++half)
      m.a[g + i % 2 * 8][2 * t + half + i / 2 * 8] = bf16_half(in.a[i], half);
  for (int i = 0; i < 2; ++i)
    for (int half = 0; half < 2; ++half) m.b[2 * t + half + i * 8][g] = bf16_half(in.b[i], half);
}

KT_UNWATCHED_SUMS void gather(Matrices<8>& m, const Operands& in, int g, int t) {
  for (int i = 0; i < 4; ++i) m.a[g + i % 2 * 8][t + i / 2 * 4] = tf32(in.a[i]);
  for (int i = 0; i < 2; ++i) m.b[t + i * 4][g] = tf32(in.b[i]);
}

template <int kDepth>
KT_UNWATCHED_SUMS void multiply(unsigned, const void* const* in, void* const* out) {
  Matrices<kDepth> m;
  for (int l = 0; l < 32; ++l) gather(m, *static_cast<const Operands*>(in[l]), l / 4, l % 4);
  double sums[kRows][kCols] = {};
  for (int row = 0; row < kRows; ++row)
    for (int k = 0; k < kDepth; ++k)
      for (int col = 0; col < kCols; ++col) sums[row][col] += m.a[row][k] * m.b[k][col];
  for (int l = 0; l < 32; ++l) {
    const Operands& mine = *static_cast<const Operands*>(in[l]);
    float* const d = static_cast<float*>(out[l]);
    for (int i = 0; i < 4; ++i)
      d[i] = static_cast<float>(sums[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2] +
                                static_cast<double>(mine.c[i]));
  }
}

Operands operands(const float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  return {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
}

void check_tf32(std::uint32_t bits, Site site) {
  if ((bits & 0x1FFFu) == 0 || std::isnan(std::bit_cast<float>(bits))) return;
  fail("tf32", "{} at {}:{} was not converted to tf32", std::bit_cast<float>(bits), site.file,
       site.line);
}

struct Row {
  std::uint16_t elements[8];
  std::uintptr_t address;
};
struct Registers {
  std::uint32_t r[4];
};

MatrixLoads counted_loads;

// Eight rows are read at once when no two stand in the same 16 of the banks' 128 bytes.
void count_cycles(const void* const* in, int matrix) {
  std::array<unsigned, 8> rows{};
  for (int i = 0; i < 8; ++i) ++rows[static_cast<const Row*>(in[matrix * 8 + i])->address / 16 % 8];
  ++counted_loads.matrices;
  counted_loads.lost_cycles += *std::max_element(rows.begin(), rows.end()) - 1;
}

template <bool kTransposed>
void deal_out_rows(unsigned, const void* const* in, void* const* out) {
  for (int matrix = 0; matrix < 4; ++matrix) {
    count_cycles(in, matrix);
    const auto element = [&](int row, int col) -> std::uint32_t {
      return static_cast<const Row*>(in[matrix * 8 + row])->elements[col];
    };
    for (int l = 0; l < 32; ++l) {
      const int g = l / 4, t = l % 4;
      static_cast<Registers*>(out[l])->r[matrix] =
          kTransposed ? element(2 * t, g) | element(2 * t + 1, g) << 16
                      : element(g, 2 * t) | element(g, 2 * t + 1) << 16;
    }
  }
}

}  // namespace

void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                   Site site) {
  const Operands in = operands(d, a, b);
  warp_operation(kAllLanes, "mma.sync", &in, d, &multiply<16>, site);
}

void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                   Site site) {
  for (const std::uint32_t bits : a) check_tf32(bits, site);
  for (const std::uint32_t bits : b) check_tf32(bits, site);
  const Operands in = operands(d, a, b);
  warp_operation(kAllLanes, "mma.sync", &in, d, &multiply<8>, site);
}

std::uint32_t to_tf32(float x) {
  if (std::isnan(x)) return 0x7FFFFFFFu;
  return (std::bit_cast<std::uint32_t>(x) + 0x1000u) & ~0x1FFFu;
}

void load_matrices(std::uint32_t (&r)[4], const void* row, bool transposed, Site site) {
  Row in{{}, reinterpret_cast<std::uintptr_t>(row)};
  if (in.address % 16 != 0 || !is_shared_memory(row, 16))
    fail("load-matrix", "a row at an address that is {} at {}:{}",
         in.address % 16 != 0 ? "not a multiple of 16" : "in no shared array", site.file,
         site.line);
  access_check::touched(row, 16, access_check::Kind::kRead, site);
  std::memcpy(in.elements, row, sizeof in.elements);
  Registers out;
  warp_operation(kAllLanes, "ldmatrix", &in, &out,
                 transposed ? &deal_out_rows<true> : &deal_out_rows<false>, site);
  std::copy_n(out.r, 4, r);
}

const MatrixLoads& matrix_loads() { return counted_loads; }

}  // namespace ktrain::emulation
