#include "kernels/device/emulation/warpgroup.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/block.h"
#include "kernels/device/emulation/memory.h"
#include "kernels/device/emulation/sanitizers.h"
#include "kernels/device/emulation/warp.h"

namespace ktrain::emulation {
namespace {

using access_check::Kind;

constexpr int kRows = 16, kDepth = 16, kWarpsOfGroup = 4;  // rows of one warp
constexpr int kPiece = 16;

[[noreturn]] void refuse(Site site, const char* what) {
  fail("warpgroup", "{} at {}:{}", what, site.file, site.line);
}

unsigned this_warp() { return machine().running->number / kLanes; }

WarpProducts& products_of(unsigned warp) {
  Machine& m = machine();
  if (m.products.size() < m.warps.size()) {
    m.products.resize(m.warps.size());
    m.issued.assign((m.warps.size() + kWarpsOfGroup - 1) / kWarpsOfGroup, {});
  }
  return m.products[warp];
}

double bf16(std::uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}

// Calls use(side, k, pointer) for every piece of `sides` sides from `first` on; it is eight
// elements along k or along the sides.
template <class Use>
void each_piece(std::uint64_t descriptor, int first, int sides, bool along_side, const Use& use) {
  for (int side = first; side < first + sides; side += along_side ? 8 : 1)
    for (int k = 0; k < kDepth; k += along_side ? 1 : 8)
      use(side - first, k, at_shared_address(element_address(descriptor, side, k, along_side)));
}

void check_readable(std::uint64_t descriptor, int first, int sides, bool along_side, Site site) {
  each_piece(descriptor, first, sides, along_side, [&](int, int, const void* p) {
    if (!is_shared_memory(p, kPiece)) refuse(site, "an operand outside every shared array");
    access_check::touched_by_proxy(p, kPiece, Kind::kRead, site);
  });
}

// values[side * step + k * k_step]
void load_operand(std::uint64_t descriptor, int first, int sides, bool along_side, int step,
                  int k_step, std::vector<double>& values) {
  values.resize(static_cast<std::size_t>(sides * kDepth));
  each_piece(descriptor, first, sides, along_side, [&](int side, int k, const void* p) {
    std::uint16_t elements[8];
    std::memcpy(elements, p, sizeof elements);
    for (int i = 0; i < 8; ++i)
      values[static_cast<std::size_t>(along_side ? (side + i) * step + k * k_step
                                                 : side * step + (k + i) * k_step)] =
          bf16(elements[i]);
  });
}

BusySums* busy_sums(WarpProducts& warp, float* first_lane) {
  for (BusySums& b : warp.busy)
    if (b.sums[0] == first_lane) return &b;
  return nullptr;
}

int first_row(unsigned warp) { return static_cast<int>(warp % kWarpsOfGroup) * kRows; }

// totals[row * cols + col], of a by rows and of b by k.
KT_UNWATCHED_SUMS void multiply(const double* a, const double* b, int cols, double* totals) {
  std::fill_n(totals, kRows * cols, 0.0);
  for (int row = 0; row < kRows; ++row)
    for (int k = 0; k < kDepth; ++k) {
      const double factor = a[row * kDepth + k];
      for (int col = 0; col < cols; ++col) totals[row * cols + col] += factor * b[k * cols + col];
    }
}

void compute(WarpProducts& warp, unsigned number, Multiplication& op) {
  if (op.done) return;
  op.done = true;
  static std::vector<double> a, b, totals;  // one thread of the host runs
  load_operand(op.a, first_row(number), kRows, op.a_along_side, kDepth, 1, a);
  load_operand(op.b, 0, op.cols, op.b_along_side, 1, op.cols, b);
  totals.resize(static_cast<std::size_t>(kRows * op.cols));
  multiply(a.data(), b.data(), op.cols, totals.data());
  BusySums& sums = *busy_sums(warp, op.sums[0]);
  for (int row = 0; row < kRows; ++row)
    for (int col = 0; col < op.cols; ++col) {
      const double total = totals[static_cast<std::size_t>(row * op.cols + col)];
      const int lane = row % 8 * 4 + col % 8 / 2;
      const int i = col / 8 * 4 + row / 8 * 2 + col % 2;
      float& sum = sums.values[static_cast<std::size_t>(lane * (op.cols / 2) + i)];
      sum = static_cast<float>(static_cast<double>(sum) + total);
    }
}

void take_sums(WarpProducts& warp, unsigned number, const Multiplication& op) {
  if (busy_sums(warp, op.sums[0])) return;
  BusySums b{op.sums, op.cols, {}};
  const auto each = static_cast<std::size_t>(op.cols / 2);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    float* const sums = op.sums[lane];
    b.values.insert(b.values.end(), sums, sums + each);
    std::memset(sums, 0xFF, each * sizeof(float));
    access_check::busy(number * kLanes + lane, sums, each * sizeof(float));
  }
  warp.busy.push_back(std::move(b));
}

// Hands back the sums that nothing writes to any more.
void give_sums(WarpProducts& warp, unsigned number) {
  std::erase_if(warp.busy, [&](const BusySums& b) {
    for (const Multiplication& op : warp.waiting)
      if (op.sums[0] == b.sums[0]) return false;
    const auto each = static_cast<std::size_t>(b.cols / 2);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      access_check::not_busy(number * kLanes + lane, b.sums[lane]);
      std::memcpy(b.sums[lane], b.values.data() + lane * each, each * sizeof(float));
    }
    return true;
  });
}

bool same(const Multiplication& x, const Multiplication& y) {
  return x.a == y.a && x.b == y.b && x.cols == y.cols && x.a_along_side == y.a_along_side &&
         x.b_along_side == y.b_along_side && x.site == y.site;
}

// Every warp of a group issues the same multiplications in the same order.
void compare_with_group(WarpProducts& warp, unsigned number, const Multiplication& op) {
  auto& issued = machine().issued[number / kWarpsOfGroup];
  if (issued.size() == warp.issued) issued.push_back(op);
  if (!same(issued[warp.issued++], op))
    refuse(op.site, "warps of a warpgroup multiply different things");
}

struct Issue {
  float* sums;
  int cols;
  Factors factors;
  Site site;
};

void issue(unsigned arrived, const void* const* in, void* const*) {
  const Issue& first = *static_cast<const Issue*>(in[0]);
  if (arrived != ~0u) refuse(first.site, "lanes that are not there");
  const unsigned number = this_warp();
  WarpProducts& warp = products_of(number);
  Multiplication op;
  op.a = first.factors.a;
  op.b = first.factors.b;
  op.cols = first.cols;
  op.a_along_side = first.factors.a_along_side;
  op.b_along_side = first.factors.b_along_side;
  op.group = warp.group;
  op.site = first.site;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const Issue& mine = *static_cast<const Issue*>(in[lane]);
    op.sums[lane] = mine.sums;
    if (mine.factors.a != op.a || mine.factors.b != op.b)
      refuse(op.site, "lanes that multiply different things");
  }
  if (!warp.fenced) refuse(op.site, "a multiplication without a fence of its sums");
  compare_with_group(warp, number, op);
  check_readable(op.a, first_row(number), kRows, op.a_along_side, op.site);
  check_readable(op.b, 0, op.cols, op.b_along_side, op.site);
  access_check::release(&warp.clock, false);  // of these reads: all lanes know them when they wait
  take_sums(warp, number, op);
  warp.waiting.push_back(op);
  // It may be done at once as well as in the end.
  if (options().schedule != Schedule::kRandom || machine().random.below(4) != 0) return;
  for (Multiplication& each : warp.waiting) compute(warp, number, each);
}

struct Wait {
  unsigned groups_left;
};

void finish(unsigned, const void* const* in, void* const*) {
  const unsigned number = this_warp();
  WarpProducts& warp = products_of(number);
  const unsigned left = static_cast<const Wait*>(in[0])->groups_left;
  const auto done =
      std::find_if(warp.waiting.begin(), warp.waiting.end(),
                   [&](const Multiplication& op) { return op.group + left >= warp.group; });
  for (auto op = warp.waiting.begin(); op != done; ++op) {
    compute(warp, number, *op);
    check_readable(op->a, first_row(number), kRows, op->a_along_side, op->site);
    check_readable(op->b, 0, op->cols, op->b_along_side, op->site);
  }
  warp.waiting.erase(warp.waiting.begin(), done);
  give_sums(warp, number);
  warp.fenced = false;
  // All lanes know that operands were read.
  access_check::release(&warp.clock, false);
}

void set_fenced(unsigned, const void* const*, void* const*) {
  products_of(this_warp()).fenced = true;
}
void next_group(unsigned, const void* const*, void* const*) { ++products_of(this_warp()).group; }

}  // namespace

std::uint32_t element_address(std::uint64_t descriptor, int side, int k, bool along_side) {
  const auto field = [descriptor](int at) {
    return static_cast<std::uint32_t>(descriptor >> at & 0x3FFF) * kPiece;
  };
  const std::uint32_t start = field(0), leading = field(16), stride = field(32);
  if ((descriptor >> 49 & 7) != 0)
    fail("warpgroup", "a descriptor with a base offset, which is not emulated");
  const unsigned mode = static_cast<unsigned>(descriptor >> 62);
  const std::uint32_t line = mode == 0 ? kPiece : 256u >> mode;  // bytes
  const auto s = static_cast<std::uint32_t>(side), d = static_cast<std::uint32_t>(k);
  std::uint32_t at = start;
  if (mode == 0 && along_side)  // pieces of eight sides, eight k after each other
    at += s / 8 * stride + d / 8 * leading + d % 8 * kPiece + s % 8 * 2;
  else if (mode == 0)
    at += s / 8 * stride + d / 8 * leading + s % 8 * kPiece + d % 8 * 2;
  else if (along_side)  // a line of sides for each k
    at += s / (line / 2) * leading + d / 8 * stride + d % 8 * line + s % (line / 2) * 2;
  else
    at += s / 8 * stride + s % 8 * line + d * 2;
  return mode == 0 ? at : at ^ (at >> 3 & (line - kPiece));
}

void fence_sums(Site site) {
  const int nothing = 0;
  warp_operation(~0u, "wgmma.fence", &nothing, nullptr, &set_fenced, site);
}

void multiply_async(float* sums, int cols, const Factors& factors, Site site) {
  const Issue mine{sums, cols, factors, site};
  warp_operation(~0u, "wgmma.mma_async", &mine, nullptr, &issue, site);
}

void commit_products(Site site) {
  const int nothing = 0;
  warp_operation(~0u, "wgmma.commit_group", &nothing, nullptr, &next_group, site);
}

void wait_for_products(unsigned groups_left, Site site) {
  const unsigned number = this_warp();
  WarpProducts& warp = products_of(number);
  const Wait mine{groups_left};
  warp_operation(~0u, "wgmma.wait_group", &mine, nullptr, &finish, site);
  access_check::acquire(&warp.clock);
}

void check_products_finished() {
  const Machine& m = machine();
  for (std::size_t w = 0; w < m.products.size(); ++w) {
    const WarpProducts& warp = m.products[w];
    const char* wrong = nullptr;
    if (!warp.waiting.empty()) wrong = "a multiplication that nobody waited for";
    if (warp.issued != m.issued[w / kWarpsOfGroup].size())
      wrong = "warps of a warpgroup that do not multiply as often";
    if (wrong)
      throw Failure("warpgroup", fmt::format("[warpgroup] {}: {}, in warp {}", m.kernel, wrong, w));
  }
}

}  // namespace ktrain::emulation
