// A tiny plan, its data, and steps of it on the CPU and on the emulated GPU.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_run.h"
#include "train/data_set.h"
#include "train/device_step.h"
#include "train/gpu_memory.h"
#include "train/plan_load.h"
#include "train/run_state.h"

namespace ktrain::test {

using Overrides = std::vector<std::string>;

// A plan, its data, and steps of it on either device.
class Stage {
 public:
  explicit Stage(const TinyRun& tiny, const Overrides& overrides = {})
      : plan_(load_plan(tiny.plan(), with_threads(overrides)).plan),
        data_(open_data_set(plan_.data, 1, [](const std::string&) {})),
        loader_(data_.train.index, *data_.folder, train_loader_options(plan_)) {}

  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] Timeline timeline() const {
    return {plan_.train.epochs, loader_.steps_per_epoch()};
  }
  [[nodiscard]] BatchShape shape() const { return {loader_.padded_size(), loader_.max_boxes()}; }
  [[nodiscard]] std::int64_t planned_bytes() const {
    return plan_gpu_memory(plan_, timeline(), shape(), shape()).bytes;
  }
  [[nodiscard]] const PairBatch& batch(std::int64_t step) {
    loader_.seek(step);
    return loader_.next();
  }

 private:
  // Without a monitor, unless they ask for one.
  static Overrides with_threads(const Overrides& overrides) {
    Overrides all = {"threads=1", "monitor.profile=off"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return all;
  }

  Plan plan_;
  DataSet data_;
  Loader loader_;
};

// Made in the order that the memory is planned in.
struct Side {
  Side(Stage& from, ContextPtr where, const DetectionFilter& alter = {},
       const AuxiliaryFactory& make = make_auxiliary)
      : stage(from),
        context(std::move(where)),
        training(context, stage.plan(), make, form_total, alter),
        tensors(context, stage.plan().train.batch, stage.shape().padded, stage.shape().max_boxes),
        validation(context, stage.plan().train.batch, stage.shape().padded,
                   stage.shape().max_boxes) {}

  StepReport begin(std::int64_t step) {
    tensors.fill(stage.batch(step));
    const auto held_out = [this, step]() -> const DetectorInput& {
      validation.fill(stage.batch(step + 1));
      return validation.input();
    };
    return training.run({tensors.input(), stage.timeline(), step, {"some pair"}, held_out});
  }
  StepReport run(std::int64_t step) {
    StepReport report = begin(step);
    training.finish(report);
    return report;
  }

  Stage& stage;
  ContextPtr context;
  TrainingStep training;
  BatchTensors tensors, validation;
};

inline ContextPtr gpu(const Stage& stage) { return make_cuda_context(stage.planned_bytes()); }

inline std::vector<float> floats(const NamedArray& array) {
  std::vector<float> values(array.bytes.size() / sizeof(float));
  std::memcpy(values.data(), array.bytes.data(), values.size() * sizeof(float));
  return values;
}

// |a - b| / |b|, lengths of vectors.
inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    off += std::pow(double{a[i]} - double{b[i]}, 2);
    length += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(off) / std::max(std::sqrt(length), 1e-12);
}

// Weights, statistics and the optimizer's state, which is the sum of the gradients with SGD.
inline void expect_close_states(const TrainingStep& got, const TrainingStep& want, double limit) {
  const std::vector<NamedArray> a = state_arrays(got), b = state_arrays(want);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].spec.name, b[i].spec.name);
    if (a[i].spec.type != ArrayType::kF32) continue;
    EXPECT_LT(distance(floats(a[i]), floats(b[i])), limit) << a[i].spec.name;
  }
}

inline bool same_states(const TrainingStep& a, const TrainingStep& b) {
  const std::vector<NamedArray> x = state_arrays(a), y = state_arrays(b);
  bool same = x.size() == y.size();
  for (std::size_t i = 0; same && i < x.size(); ++i)
    same = x[i].bytes.size() == y[i].bytes.size() &&
           std::memcmp(x[i].bytes.data(), y[i].bytes.data(), x[i].bytes.size()) == 0;
  return same;
}

inline void expect_close(const StepReport& got, const StepReport& want, double limit) {
  ASSERT_EQ(got.values.terms.size(), want.values.terms.size());
  for (std::size_t i = 0; i < got.values.terms.size(); ++i)
    EXPECT_NEAR(got.values.terms[i], want.values.terms[i],
                limit * std::abs(want.values.terms[i]) + 1e-7)
        << "term " << i;
  EXPECT_EQ(got.values.weights, want.values.weights);
  EXPECT_NEAR(got.values.total, want.values.total, limit * std::abs(want.values.total));
  EXPECT_NEAR(got.gradient_norm, want.gradient_norm, limit * want.gradient_norm);
  EXPECT_EQ(got.learning_rate, want.learning_rate);
  ASSERT_EQ(got.side.size(), want.side.size());
  for (std::size_t i = 0; i < got.side.size(); ++i) {
    EXPECT_EQ(got.side[i].name, want.side[i].name);
    const double a = got.side[i].read(), b = want.side[i].read();
    EXPECT_TRUE((std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= limit * std::abs(b) + 1e-7)
        << got.side[i].name << " is " << a << ", on the CPU " << b;
  }
}

class DeviceStage : public testing::Test {
 protected:
  // Steps 0 to `steps` on both devices.
  void compare(const Overrides& overrides, std::int64_t steps, double limit) {
    Stage stage(tiny_, overrides);
    Side cpu(stage, make_cpu_context()), device(stage, gpu(stage));
    for (std::int64_t step = 0; step < steps; ++step) {
      SCOPED_TRACE(fmt::format("step {}", step));
      const StepReport want = cpu.run(step), got = device.run(step);
      expect_close(got, want, limit);
      expect_close_states(device.training, cpu.training, limit);
    }
  }

  TinyRun tiny_;
};

// The first step looks at the weights and waits for them, the next two are given as they are, then
// there is the graph.
inline constexpr std::int64_t kWarm = 1 + Replay::kWarmUps + 1;

}  // namespace ktrain::test
