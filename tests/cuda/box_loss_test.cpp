// The CUDA box loss and its gradient against the CPU's, in double and in float.
#include "kernels/box_loss.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Slots = std::vector<std::int32_t>;

struct Case {
  std::int64_t rows, boxes;
  double beta;
};

struct Input {
  Floats x, target;
  Slots slots;
  std::int64_t boxes;
  double beta;
  float factor = 3;
  [[nodiscard]] std::int64_t rows() const { return std::ssize(slots); }
};

template <class T>
struct Result {
  std::vector<T> loss, dx;
};

constexpr float kDloss = -1.3f;

Input make(const Case& c) {
  Input in{test::random_floats(c.rows * c.boxes * 4, 1),
           test::random_floats(c.rows * 4, 2),
           {},
           c.boxes,
           c.beta};
  for (std::int64_t r = 0; r < c.rows; ++r)
    in.slots.push_back(r % 3 == 1 ? -1 : static_cast<std::int32_t>(r * 5 % c.boxes));
  // Differences of 0, and of the other branch's edge.
  if (c.rows > 0) in.target[0] = in.x[static_cast<std::size_t>(in.slots[0]) * 4];
  return in;
}

Result<float> on_device(const Input& in, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t cols = in.boxes * 4;
  const DeviceView<float> x(s, in.x, offset), target(s, in.target, offset), avg(s, {in.factor}),
      dloss(s, {kDloss}), loss(1), dx(std::ssize(in.x), offset);
  const DeviceView<std::int32_t> slots(s, in.slots);
  const DeviceView<std::byte> scratch(box_loss_scratch_bytes(in.rows()));
  const Rows<const float> xs{x.data(), in.rows(), cols}, targets{target.data(), in.rows(), 4};
  cuda::box_loss_forward(s, xs, targets, slots.in(), avg.in(), loss.span(), scratch.span(),
                         in.beta);
  cuda::box_loss_backward(s, xs, targets, slots.in(), avg.in(), dloss.in(),
                          {dx.data(), in.rows(), cols}, in.beta);
  return {loss.to_host(s), dx.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Input& in) {
  const std::vector<T> x = test::cast<T>(in.x), target = test::cast<T>(in.target);
  const std::vector<T> avg = {in.factor}, dloss = {kDloss};
  const Rows<const T> xs{x.data(), in.rows(), in.boxes * 4}, targets{target.data(), in.rows(), 4};
  Result<T> r{std::vector<T>(1), std::vector<T>(x.size())};
  cpu::box_loss_forward(xs, targets, span(in.slots), span(avg), span(r.loss), {}, in.beta);
  cpu::box_loss_backward(xs, targets, span(in.slots), span(avg), span(dloss),
                         Rows<T>{r.dx.data(), in.rows(), in.boxes * 4}, in.beta);
  return r;
}

class BoxLossCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, BoxLossCuda,
                         testing::Values(Case{0, 1, 0}, Case{1, 1, 0}, Case{33, 1, 0.5},
                                         Case{257, 3, 0}, Case{2049, 2, 1.0 / 9},
                                         Case{test::large(100003), 1, 0}));

TEST_P(BoxLossCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> got = on_device(in), narrow = on_cpu<float>(in);
  const Result<double> wide = on_cpu<double>(in);
  // Taken in double: one rounding to float, to either side of the CPU's.
  EXPECT_TRUE(test::all_close(got.loss, narrow.loss, 0, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.loss, wide.loss, 0, 6.1e-8));
  EXPECT_TRUE(test::same_bits(got.dx, narrow.dx)) << "the same operations";
  // A difference below 2 has an error of 2^-24, which beta = 1/9 makes 9 times larger.
  EXPECT_TRUE(test::all_close(got.dx, wide.dx, 1e-6, 1e-6));
}

TEST_P(BoxLossCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> first = on_device(in);
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(in, offset);
    EXPECT_TRUE(test::same_bits(again.loss, first.loss));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
  }
}

TEST(BoxLossCudaValues, BrokenNumbersAndSlotsShow) {
  KT_NEEDS_GPU();
  Input in{{1, 2, 3, 4, 5, 6, 7, 8}, {0, 0, 0, 0, 0, 0, 0, 0}, {0, 0}, 1, 0, 1};
  EXPECT_EQ(on_device(in).loss[0], 36);
  in.x[2] = NAN;
  EXPECT_TRUE(std::isnan(on_device(in).loss[0]) && std::isnan(on_device(in).dx[2]));
  in.slots[0] = -1;  // not trained, not read
  EXPECT_EQ(on_device(in).loss[0], 26);
  for (const std::int32_t wrong : {1, -2}) {
    in.slots[1] = wrong;
    const Result<float> r = on_device(in);
    EXPECT_TRUE(std::isnan(r.loss[0]) && std::isnan(r.dx[7])) << wrong;
    EXPECT_EQ(r.dx[3], 0);
  }
}

TEST(BoxLossCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(12), one(1);
  const DeviceView<std::int32_t> slots(2);
  EXPECT_EQ(test::message_of([&] {
              cuda::box_loss_forward(stream.get(), {x.data(), 3, 4}, {x.data(), 3, 4}, slots.in(),
                                     one.in(), one.span(), {}, 0);
            }).rfind("box_loss_forward: x is 3x4, target 3x4, 2 slots", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
