// The conflict monitor on the device: the CPU's records, one wait a probe, and steps between probes
// that are what they are without it.
#include <cstdlib>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/bfloat16.h"
#include "kernels/device/calls.h"
#include "tests/device_step/stage.h"
#include "train/monitor/probe_json.h"

namespace ktrain::test {
namespace {

using Lines = std::vector<std::string>;

const Overrides kProbed = {"optimizer.kind=sgd",       "optimizer.lr=0.01",
                           "train.epochs=8",           "loss.planted.kind=negative_det",
                           "loss.planted.weight=0.5",  "monitor.profile=watch",
                           "monitor.interval=1",       "monitor.burst=0",
                           "monitor.budget_pct=10000", "monitor.sketch=256"};

Overrides with(Overrides overrides, const Overrides& more) {
  overrides.insert(overrides.end(), more.begin(), more.end());
  return overrides;
}

std::vector<ProbeRecord> probes(const StepReport& report) {
  std::vector<ProbeRecord> records;
  for (const std::string& line : report.monitor.lines)
    if (line.find("\"kind\":\"probe\"") != std::string::npos) {
      records.push_back(probe_from_json(line, "memory", 1));
      records.back().seconds = 0;  // the only number that is no function of the plan
    }
  return records;
}

// All lines of a step, without what time decides.
Lines lines(const StepReport& report) {
  Lines all;
  for (const std::string& line : report.monitor.lines) {
    nlohmann::json json = nlohmann::json::parse(line);
    json.erase("seconds");
    all.push_back(json.dump());
  }
  return all;
}

// Of products, in units of the norms. One loss' gradient is what the total leaves when the others
// are taken out of it: where it is small against them, a few of their roundings are added.
void expect_close(const Gram& got, const Gram& want, double limit, const std::string& where) {
  ASSERT_EQ(got.size(), want.size()) << where;
  double largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) largest = std::max(largest, std::sqrt(want(i, i)));
  const double rounding = 0x1p-22 * largest;
  for (std::size_t i = 0; i < want.size(); ++i)
    for (std::size_t j = i; j < want.size(); ++j) {
      const double a = std::sqrt(want(i, i)), b = std::sqrt(want(j, j));
      EXPECT_NEAR(got(i, j), want(i, j), limit * a * b + rounding * (a + b) + rounding * rounding)
          << where << " " << i << " " << j;
    }
}

void expect_close(const ProbeRecord& got, const ProbeRecord& want, double limit) {
  EXPECT_EQ(got.step, want.step);
  EXPECT_EQ(got.epoch, want.epoch);
  EXPECT_EQ(got.losses, want.losses);
  EXPECT_EQ(got.detection, want.detection);
  EXPECT_EQ(got.weights, want.weights);
  EXPECT_EQ(got.learning_rate, want.learning_rate);
  EXPECT_EQ(got.momentum_scale, want.momentum_scale);
  EXPECT_EQ(got.interval, want.interval);
  EXPECT_NEAR(got.clip, want.clip, limit);
  EXPECT_NEAR(got.clip_det, want.clip_det, limit);
  EXPECT_NEAR(got.gradient_norm, want.gradient_norm, limit * want.gradient_norm);
  ASSERT_EQ(got.groups.size(), want.groups.size());
  for (std::size_t g = 0; g < want.groups.size(); ++g) {
    const GroupGram &a = got.groups[g], &b = want.groups[g];
    EXPECT_EQ(a.group, b.group);
    EXPECT_EQ(a.elements, b.elements);
    EXPECT_EQ(a.share, b.share);
    expect_close(a.raw, b.raw, limit, b.group);
    expect_close(a.preconditioned, b.preconditioned, limit, b.group + ", preconditioned");
    ASSERT_EQ(a.rv.has_value(), b.rv.has_value());
    if (b.rv) {
      EXPECT_NEAR(*a.rv, *b.rv, limit * *b.rv);
    }
  }
  ASSERT_EQ(got.features.size(), want.features.size());
  for (std::size_t f = 0; f < want.features.size(); ++f) {
    EXPECT_EQ(got.features[f].name, want.features[f].name);
    expect_close(got.features[f].raw, want.features[f].raw, limit, want.features[f].name);
  }
  ASSERT_EQ(got.predicted.size(), want.predicted.size());
  ASSERT_EQ(got.real.size(), want.real.size());
  for (std::size_t k = 0; k < want.values.size(); ++k) {
    EXPECT_NEAR(got.values[k], want.values[k], limit * std::abs(want.values[k]) + 1e-7);
    EXPECT_NEAR(got.predicted[k], want.predicted[k], 10 * limit * std::abs(want.predicted[k]));
    // A difference of two sums of floats.
    if (!want.real.empty()) {
      EXPECT_NEAR(got.real[k], want.real[k],
                  10 * limit * std::abs(want.real[k]) + 1e-6 * std::abs(want.values[k]));
    }
  }
}

// The monitor's arrays: sketches, of which the finished ones are in bfloat16, and running means.
void expect_close_sketches(const TrainingStep& got, const TrainingStep& want, double limit) {
  const std::vector<NamedArray> a = got.monitor().state(), b = want.monitor().state();
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(b.empty());
  for (std::size_t i = 0; i < b.size(); ++i) {
    ASSERT_EQ(a[i].spec.name, b[i].spec.name);
    if (b[i].spec.type == ArrayType::kF32) continue;  // expect_close_states has them
    const auto numbers = [](const NamedArray& array) {
      std::vector<float> values(array.bytes.size() / sizeof(Bfloat16));
      for (std::size_t n = 0; n < values.size(); ++n) {
        Bfloat16 value{};
        std::memcpy(&value, array.bytes.data() + n * sizeof value, sizeof value);
        values[n] = to_float(value);
      }
      return values;
    };
    // Where a rounding differs a number does, by 2^-8.
    EXPECT_LT(distance(numbers(a[i]), numbers(b[i])), limit + 0x1p-8) << b[i].spec.name;
  }
}

class DeviceProbe : public testing::Test {
 protected:
  // Probed steps on both devices; gives the lines of the device that are no probes.
  void compare(const Overrides& overrides, std::int64_t steps, double limit) {
    Stage stage(tiny_, overrides);
    Side cpu(stage, make_cpu_context()), device(stage, gpu(stage));
    for (std::int64_t step = 0; step < steps; ++step) {
      SCOPED_TRACE(fmt::format("step {}", step));
      const StepReport want = cpu.run(step), got = device.run(step);
      test::expect_close(got, want, limit);
      expect_close_states(device.training, cpu.training, limit);
      if (!cpu.training.monitor().state().empty())
        expect_close_sketches(device.training, cpu.training, limit);
      const auto a = probes(got), b = probes(want);
      ASSERT_EQ(a.size(), 1u);
      ASSERT_EQ(b.size(), 1u);
      expect_close(a[0], b[0], limit);
      const auto others = [](const StepReport& report) {
        std::vector<nlohmann::json> found;
        for (const std::string& line : report.monitor.lines)
          if (line.find("\"kind\":\"probe\"") == std::string::npos)
            found.push_back(nlohmann::json::parse(line));
        return found;
      };
      const auto x = others(got), y = others(want);
      ASSERT_EQ(x.size(), y.size());
      for (std::size_t i = 0; i < y.size(); ++i) {
        ASSERT_EQ(x[i]["kind"], y[i]["kind"]);
        if (y[i]["kind"] == "loo") {
          EXPECT_EQ(x[i]["loss"], y[i]["loss"]);
          const double lost = x[i]["delta_det"].back(), wanted = y[i]["delta_det"].back();
          EXPECT_NEAR(lost, wanted, 10 * limit * std::abs(wanted) + 1e-6);
        }
        if (y[i]["kind"] == "remedy")
          for (const auto& [group, of] : y[i]["groups"].items()) {
            const auto& found = x[i]["groups"][group];
            EXPECT_EQ(found["changed"], of["changed"]) << group;
            for (std::size_t k = 0; k < of["weights"].size(); ++k)
              EXPECT_NEAR(found["weights"][k].get<double>(), of["weights"][k].get<double>(),
                          100 * limit * std::abs(of["weights"][k].get<double>()))
                  << group;
          }
      }
    }
  }

  TinyRun tiny_;
};

TEST_F(DeviceProbe, RecordsAreTheCpus) {
  compare(with(kProbed, {"monitor.half_every=1", "monitor.real_every=1", "monitor.loo_every=1"}), 3,
          1e-4);
}

TEST_F(DeviceProbe, EveryTermByItselfAndSharedBackbonesToo) {
  compare(with(kProbed, {"monitor.profile=deep", "model.shared=true", "monitor.half_every=1"}), 2,
          1e-4);
}

TEST_F(DeviceProbe, LossesWithHeadsAndQueuesOfTheirOwn) {
  compare(with(kProbed, {"loss.planted.kind=none", "loss.macl.weight=0.1", "loss.macl.rows=4",
                         "loss.macl.hidden=16", "loss.macl.channels=8", "loss.dhn.weight=0.1",
                         "loss.dhn.queue=24", "loss.dhn.top_k=4", "loss.dhn.frame_gap=0",
                         "loss.domain.weight=0.1", "monitor.real_every=1", "monitor.loo_every=1"}),
          2, 2e-4);
}

TEST_F(DeviceProbe, PreconditionedProductsUseTheMomentsFromBeforeTheStep) {
  // AdamW divides by the size of the gradient: where that is all rounding, so is the direction.
  compare(with(kProbed, {"optimizer.kind=adamw", "optimizer.lr=1e-4", "monitor.loo_every=1"}), 3,
          2e-2);
}

TEST_F(DeviceProbe, AProbeWaitsOnceAndStepsBetweenProbesDoNot) {
  Stage stage(tiny_, with(kProbed, {"monitor.interval=6", "monitor.half_every=1",
                                    "monitor.real_every=1", "monitor.loo_every=1"}));
  Side device(stage, gpu(stage));
  ASSERT_EQ(stage.timeline().steps_per_epoch, 4);
  // Probed are steps 5 and 11; looked at are the first of each epoch.
  std::vector<StepReport> reports;
  for (std::int64_t step = 0; step < 12; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    const DeviceCalls before = device_calls();
    reports.push_back(device.begin(step));
    const DeviceCalls calls = device_calls() - before;
    const bool probed = step % 6 == 5, looked_at = step % 4 == 0;
    EXPECT_EQ(probes(reports.back()).size(), probed ? 1u : 0u);
    if (step > 0) {
      EXPECT_EQ(calls[DeviceCall::kAllocate], 0);
    }
    if (looked_at || step < kWarm) continue;
    EXPECT_EQ(calls[DeviceCall::kSynchronize], probed ? 1 : 0);
    if (!probed) {
      EXPECT_EQ(calls[DeviceCall::kGraphLaunch], 1);
      EXPECT_EQ(calls[DeviceCall::kLaunch], 0) << "the graph from before the probe still holds";
      EXPECT_EQ(calls[DeviceCall::kCapture], 0);
    }
  }
  EXPECT_EQ(device.training.device_step()->replay().graphs(), 1);
}

TEST_F(DeviceProbe, TrainingIsTheSameToTheBitWithAndWithoutAndAgain) {
  const Overrides every = with(kProbed, {"monitor.interval=2", "monitor.half_every=1",
                                         "monitor.real_every=1", "monitor.loo_every=1"});
  Stage probed(tiny_, every), plain(tiny_, with(every, {"monitor.profile=off"}));
  Side a(probed, gpu(probed)), b(probed, gpu(probed)), off(plain, gpu(plain));
  ::setenv("KT_GRAPH", "0", 1);
  Side as_it_is(probed, gpu(probed));
  ::unsetenv("KT_GRAPH");
  b.context->poison = true;                         // memory that nobody wrote may not matter
  for (std::int64_t step = 0; step < 11; ++step) {  // 2, 6 and 10 are neither probed nor looked at
    const StepReport x = a.run(step), y = b.run(step), z = off.run(step), w = as_it_is.run(step);
    EXPECT_EQ(x.values.terms, z.values.terms) << step;
    EXPECT_EQ(x.gradient_norm, z.gradient_norm) << step;
    EXPECT_EQ(lines(x), lines(y)) << step;
    EXPECT_EQ(lines(x), lines(w)) << step;
  }
  EXPECT_GT(a.training.device_step()->replay().graphs(), 0);
  EXPECT_TRUE(same_states(a.training, b.training));
  EXPECT_TRUE(same_states(a.training, as_it_is.training));
  const auto weights = [](const Side& side) {
    std::vector<std::vector<float>> values;
    for (const Parameter& parameter : side.training.parameters().all())
      values.push_back(parameter.value.to_vector<float>());
    return values;
  };
  EXPECT_EQ(weights(a), weights(off));
}

// A loss that is no multiple of detection: of one that is, a projection leaves rounding alone. Nor
// is it much larger, since detection is what it leaves of the total.
const Overrides kBeside = {"loss.planted.kind=none", "loss.macl.weight=0.02", "loss.macl.rows=4",
                           "loss.macl.hidden=16",    "loss.macl.channels=8",  "monitor.sketch=0"};

TEST_F(DeviceProbe, ARemedyThatTrainsFollowsTheCpu) {
  for (const char* kind : {"pc_asym", "pcgrad", "cagrad"}) {
    SCOPED_TRACE(kind);
    compare(with(with(kProbed, kBeside), {std::string("remedy.kind=") + kind, "remedy.mode=live"}),
            2, 1e-4);
  }
}

TEST_F(DeviceProbe, AShadowOnlyTells) {
  compare(with(with(kProbed, kBeside), {"remedy.kind=pcgrad", "remedy.mode=shadow"}), 2, 1e-4);
}

TEST_F(DeviceProbe, TheMemoryOfEveryKindOfProbeIsWhatWasPlanned) {
  for (const Overrides& more :
       {Overrides{"monitor.half_every=1", "monitor.real_every=1", "monitor.loo_every=1"},
        Overrides{"monitor.half_every=2", "monitor.real_every=3", "monitor.loo_every=2"},
        Overrides{"remedy.kind=pc_asym", "remedy.mode=live", "monitor.interval=2"}}) {
    Stage stage(tiny_, with(kProbed, more));
    const std::int64_t planned = stage.planned_bytes();
    Side device(stage, make_cuda_context(planned));
    std::int64_t before = 0;
    for (std::int64_t step = 0; step < 6; ++step) {
      const std::int64_t live = device.context->memory.usage().live_bytes;
      (void)device.run(step);
      EXPECT_EQ(device.context->memory.usage().live_bytes, live) << "nothing stays of a probe";
      before = std::max(before, device.context->memory.usage().high_water_bytes);
    }
    EXPECT_LE(before, planned);
    EXPECT_GT(before, planned - planned / 20) << more[0];
  }
}

}  // namespace
}  // namespace ktrain::test
