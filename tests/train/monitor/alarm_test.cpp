#include "train/monitor/alarm.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/message.h"
#include "tests/support/probe.h"
#include "train/monitor/detection_axis.h"

namespace ktrain {
namespace {

using ::testing::HasSubstr;

constexpr RandomKey kKey{17, 902, 0};
const char* const kGroup = "visible.layer1";

// Detection of norm 1 and macl of norm `norm` at cosine c.
ProbeRecord probe(std::int64_t step, double c, double weight = 0.1, double norm = 1) {
  ProbeRecord record = test::two_losses({}, {}, weight);
  record.groups[0].raw = test::gram_of(1, 1, 0);  // the rule must read the preconditioned one
  record.groups[0].preconditioned = test::gram_of(1, norm, c);
  record.step = step;
  return record;
}

double noisy(double mean, std::uint32_t sample, std::uint32_t index) {
  return std::clamp(mean + 0.1 * test::normal_of(kKey, sample, index), -1.0, 1.0);
}

std::vector<Alarm> feed(AlarmRule& rule, double mean, std::uint32_t from, std::uint32_t to,
                        std::uint32_t sample = 0, double weight = 0.1, double norm = 5) {
  std::vector<Alarm> said;
  for (std::uint32_t i = from; i < to; ++i)
    for (const Alarm& alarm : rule.add(probe(50 * (i + 1), noisy(mean, sample, i), weight, norm)))
      said.push_back(alarm);
  return said;
}

// T12, through the rule itself: one cell whose mean is exactly -delta.
TEST(AlarmRule, RaisesFewFalseAlarmsHoweverOftenOneLooks) {
  constexpr int kRuns = 600;
  int alarms = 0;
  for (std::uint32_t run = 0; run < kRuns; ++run) {
    AlarmRule rule;
    alarms += !feed(rule, -0.02, 0, 2000, 100 + run).empty();
  }
  // 4.1 % without the gate and the inflation; standard error .8 %.
  EXPECT_LE(alarms, 0.06 * kRuns);
  EXPECT_GE(alarms, 0.01 * kRuns);
}

// T12: phi = .6 at n = 20: the estimate of r1 is still rough, later the gate is sure. Nothing is
// said any more then, though the mean lies far below -delta from probe 200 on.
TEST(AlarmRule, WithholdsWhatSerialCorrelationCouldExplain) {
  int early = 0, late = 0;
  for (std::uint32_t run = 0; run < 300; ++run) {
    AlarmRule rule;
    double noise = test::normal_of(kKey, 5000 + run, 0);
    for (std::uint32_t i = 1; i < 1000; ++i) {
      noise = 0.6 * noise + 0.8 * test::normal_of(kKey, 5000 + run, i);
      const bool said = !rule.add(probe(i, (i < 200 ? 0.0 : -0.15) + 0.1 * noise)).empty();
      (i < 200 ? early : late) += said;
    }
  }
  EXPECT_LE(early, 0.06 * 300);
  EXPECT_EQ(late, 0);
}

TEST(AlarmRule, SharesItsErrorAmongCells) {
  AlarmRule one, many({.cells = 24});
  std::int64_t first = 0, later = 0;
  for (std::uint32_t i = 0; i < 2000 && later == 0; ++i) {
    const ProbeRecord record = probe(i + 1, noisy(-0.06, 3, i));
    if (!one.add(record).empty() && first == 0) first = i + 1;
    if (!many.add(record).empty()) later = i + 1;
  }
  EXPECT_GT(first, 0);
  EXPECT_GT(later, first);
}

// T20: aux = -det, a copy of det, and det with random signs, in 12 groups of 40 weights.
std::vector<Alarm> planted(double sign, bool random, std::uint32_t seed, int probes) {
  AlarmRule rule;
  std::vector<Alarm> said;
  const RandomKey key{seed, 903, 0};
  for (int t = 0; t < probes; ++t) {
    ProbeRecord record;
    record.step = 50 * (t + 1);
    record.epoch = 1;
    record.losses = {"det", "macl"};
    record.values = {1, 1};
    record.weights = {1, 0.1};
    record.learning_rate = 1e-4;
    for (std::uint32_t g = 0; g < 12; ++g) {
      test::Vectors vectors(2, std::vector<double>(40));
      const auto sample = static_cast<std::uint32_t>(t) * 12 + g;
      for (std::uint32_t c = 0; c < 40; ++c) {
        const double x = test::normal_of(key, sample, c);
        const bool flip = random && random_words(key, sample, 1000 + c).word[0] % 2 == 0;
        vectors[0][c] = x;
        vectors[1][c] = (flip ? -sign : sign) * x;
      }
      record.groups.push_back(
          {"group" + std::to_string(g), 40, test::gram_of(vectors), {}, {}, false});
    }
    if (t % 16 == 15)
      for (const GroupGram& group : record.groups) {
        rule.add_null(group.group, 0.3);
        if (random)
          rule.set_cross_batch(group.group, "macl", -0.1, 0.1);
        else
          rule.set_cross_batch(group.group, "macl", sign - 0.01, sign + 0.01);
      }
    for (const Alarm& alarm : rule.add(record)) said.push_back(alarm);
  }
  return said;
}

// T20.
TEST(AlarmRule, SpeaksOfAPlantedConflictInEveryGroup) {
  const std::vector<Alarm> said = planted(-1, false, 1, 40);
  ASSERT_EQ(said.size(), 12u);
  for (const Alarm& alarm : said) {
    EXPECT_EQ(alarm.level, AlarmLevel::kAlarm);
    EXPECT_EQ(alarm.n, 20);
    EXPECT_NEAR(alarm.mean, -1, 1e-12);
    EXPECT_NEAR(*alarm.tax, 0.1, 1e-12);
  }
}

// T20.
TEST(AlarmRule, IsSilentAboutACopyOfDetection) { EXPECT_TRUE(planted(1, false, 1, 100).empty()); }

// T20.
TEST(AlarmRule, IsSilentAboutRandomSignsInMostSeeds) {
  constexpr std::uint32_t kSeeds = 240;
  std::uint32_t loud = 0;
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) loud += !planted(1, true, seed, 120).empty();
  EXPECT_LE(loud, kSeeds / 20);
}

TEST(AlarmRule, ClimbsByItsKeys) {
  AlarmRule rule;
  // A negative cosine without size: info.
  std::vector<Alarm> said = feed(rule, -0.3, 0, 30, 1, 0.01, 0.1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kInfo);
  EXPECT_THAT(said[0].label, HasSubstr("split-half null not measured"));
  // With size: warn, and no more than that however long.
  AlarmRule material;
  said = feed(material, -0.3, 0, 100, 1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kWarn);
  EXPECT_EQ(said[0].n, 20);
  EXPECT_EQ(said[0].onset_step, 50);
  EXPECT_THAT(said[0].text, HasSubstr("It was there when these probes began"));
  EXPECT_GT(*said[0].tax, 0.05);
  // A null that conflicts as often keeps it there, and says so; so does a cross-batch cosine over
  // 0.
  AlarmRule ordinary;
  for (int i = 0; i < 20; ++i) ordinary.add_null(kGroup, -0.3);
  ordinary.set_leave_one_out("macl", 1e-4, 2e-4);
  said = feed(ordinary, -0.3, 0, 100, 1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kWarn);
  EXPECT_EQ(said[0].label, "ordinary sampling conflict");
  AlarmRule shared;
  for (int i = 0; i < 20; ++i) shared.add_null(kGroup, 0.3);
  shared.set_cross_batch(kGroup, "macl", -0.2, 0.1);
  said = feed(shared, -0.3, 0, 100, 1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kWarn);
  EXPECT_EQ(said[0].label, "step-level only (shared-batch noise)");
  EXPECT_THAT(said[0].text, HasSubstr("step-level only"));
  // Either confirmation makes it an alarm.
  shared.set_cross_batch(kGroup, "macl", -0.4, -0.1);
  said = feed(shared, -0.3, 100, 102, 1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kAlarm);
  EXPECT_EQ(said[0].label, "");
  AlarmRule left_out;
  for (int i = 0; i < 20; ++i) left_out.add_null(kGroup, 0.3);
  left_out.set_leave_one_out("macl", 1e-4, 2e-4);
  said = feed(left_out, -0.3, 0, 30, 1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kAlarm);
}

TEST(AlarmRule, EvidenceOfAnotherDoseConfirmsNothingAlsoWhereAnEpochBegins) {
  for (const bool dose : {false, true}) {
    AlarmRule rule;
    for (int i = 0; i < 20; ++i) rule.add_null(kGroup, 0.3);
    std::vector<Alarm> said;
    for (std::uint32_t i = 0; i < 60; ++i) {
      ProbeRecord record = probe(i + 1, noisy(-0.3, 1, i), 1);
      if (i == 10) rule.set_leave_one_out("macl", 1e-4, 2e-4);
      if (i >= 15) record.epoch = 2;
      if (i >= 15 && dose) record.weights[1] *= 2;
      for (const Alarm& alarm : rule.add(record)) said.push_back(alarm);
    }
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].level, dose ? AlarmLevel::kWarn : AlarmLevel::kAlarm);
  }
}

TEST(AlarmRule, CountsAStepThatHurtsDetectionAsMaterial) {
  AlarmRule rule;
  std::vector<Alarm> said;
  for (std::uint32_t i = 0; i < 30; ++i) {
    ProbeRecord record = probe(i + 1, noisy(-0.3, 1, i), 0.01, 0.1);
    record.predicted = {i % 4 == 0 ? 1e-6 : -1e-6, 0};  // in a quarter of the probes
    for (const Alarm& alarm : rule.add(record)) said.push_back(alarm);
  }
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kWarn);
}

TEST(AlarmRule, ClearsWhenTheBandOrTheTaxSaysSo) {
  AlarmRule rule;
  EXPECT_EQ(feed(rule, -0.3, 0, 30, 1).size(), 1u);
  // The weight goes to 0: a new segment, tax 0 in 20 probes.
  const std::vector<Alarm> said = feed(rule, -0.3, 30, 60, 1, 0.0);
  ASSERT_GE(said.size(), 1u);
  EXPECT_EQ(said[0].level, AlarmLevel::kClear);
  EXPECT_EQ(said[0].n, 20);
  EXPECT_EQ(said[0].lambda, 0);
  EXPECT_THAT(said[0].text, HasSubstr("no longer"));
  // That the angle stays is worth an info, once.
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[1].level, AlarmLevel::kInfo);

  AlarmRule turned;
  EXPECT_EQ(feed(turned, -0.3, 0, 30, 1).size(), 1u);
  turned.restart();
  EXPECT_EQ(turned.level(kGroup, "macl"), AlarmLevel::kWarn);
  const std::vector<Alarm> after = feed(turned, 0.3, 30, 60, 1);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0].level, AlarmLevel::kClear);
  EXPECT_EQ(turned.level(kGroup, "macl"), AlarmLevel::kNone);
}

TEST(AlarmRule, BeginsSegmentsWhereThePastSaysNothing) {
  const auto segments = [](auto change) {
    AlarmRule rule;
    std::int64_t n = 0;
    for (std::uint32_t i = 0; i < 60; ++i) {
      ProbeRecord record = probe(i + 1, noisy(-0.3, 1, i));
      if (i >= 15) change(record, i);
      for (const Alarm& alarm : rule.add(record)) n = n == 0 ? alarm.step : n;
    }
    return n;  // of the first message
  };
  EXPECT_EQ(segments([](ProbeRecord&, std::uint32_t) {}), 20);
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t) { r.epoch = 2; }), 35);
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t) { r.weights[1] *= 2; }), 35);
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t) { r.weights[1] /= 2; }), 35);
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t) { r.weights[1] *= 1.5; }), 20);
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t) { r.learning_rate *= 2; }), 35);
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t) { r.learning_rate *= 0.6; }), 20);
  // A warm-up that doubles, then creeps: one segment from its end.
  EXPECT_EQ(segments([](ProbeRecord& r, std::uint32_t i) { r.weights[1] *= 1 + 0.01 * i; }), 20);
}

TEST(AlarmRule, SaysNothingWhereThereIsNoGradient) {
  AlarmRule rule;
  for (int i = 0; i < 100; ++i) {
    ProbeRecord record = probe(i + 1, 0);
    record.groups[0].preconditioned = test::gram_of(1, 0, 0);
    EXPECT_TRUE(rule.add(record).empty());
  }
  EXPECT_EQ(rule.level(kGroup, "macl"), AlarmLevel::kNone);
}

TEST(AlarmRule, DatesTheBeginning) {
  std::vector<double> errors;
  for (std::uint32_t run = 0; run < 100; ++run) {
    AlarmRule rule;
    (void)feed(rule, 0.05, 0, 40, 300 + run);
    const auto said = feed(rule, -0.1, 40, 400, 300 + run);
    ASSERT_GE(said.size(), 1u);
    EXPECT_THAT(said[0].text, HasSubstr(fmt::format("Began near step {}", said[0].onset_step)));
    errors.push_back(static_cast<double>(said[0].onset_step) / 50 - 41);
  }
  EXPECT_NEAR(*median_of(errors), 0, 1);  // probes
  for (double& error : errors) error = std::abs(error);
  EXPECT_LE(*median_of(errors), 3);
}

// Detection in four losses is measured as their weighted sum.
TEST(AlarmRule, SumsDetection) {
  ProbeRecord record = test::full_record(6, 4, 5);
  record.weights = {1, 0.5, 2, 1, 0.05, 0.1};
  const ProbeRecord summed = with_detection_summed(record);
  EXPECT_EQ(summed.losses, (std::vector<std::string>{"det", "macl", "dhn"}));
  const test::Vectors g = {{1, 2, 0}, {0, 1, -1}, {3, 0, 1}, {-1, 1, 1}, {1, 1, 1}, {0, -2, 1}};
  std::vector<double> det(3);
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t c = 0; c < 3; ++c) det[c] += record.weights[k] * g[k][c];
  record.groups[0].raw = test::gram_of(g);
  EXPECT_EQ(with_detection_summed(record).groups[0].raw, test::gram_of({det, g[4], g[5]}));
  EXPECT_EQ(with_detection_summed(summed), summed);
  AlarmRule one, other;
  for (int i = 0; i < 40; ++i) {
    const auto a = one.add(record), b = other.add(with_detection_summed(record));
    EXPECT_EQ(a, b);
  }
}

TEST(AlarmRule, GoesOnAfterARestoreAsIfNothingHadBeen) {
  const auto step = [](AlarmRule& rule, std::uint32_t i) {
    if (i % 16 == 0) rule.add_null(kGroup, noisy(0, 8, i));
    if (i == 48) rule.set_cross_batch(kGroup, "macl", -0.3, -0.05);
    if (i == 64) rule.set_leave_one_out("macl", -1e-5, 1e-4);
    if (i == 70) rule.set_cross_batch_below_noise("other", "dhn");
    ProbeRecord record = probe(50 * (i + 1), noisy(i / 60 == 1 ? -0.25 : 0.1, 9, i), 0.1, 4);
    record.epoch = 1 + i / 60;
    return rule.add(record);
  };
  AlarmRule straight;
  std::vector<std::vector<Alarm>> want;
  std::size_t messages = 0;
  for (std::uint32_t i = 0; i < 250; ++i) {
    want.push_back(step(straight, i));
    messages += want.back().size();
  }
  EXPECT_GE(messages, 2u);  // of a rise and of the clearing
  AlarmRule broken;
  for (std::uint32_t i = 0; i < 250; ++i) {
    AlarmRule next;
    next.restore(broken.state());
    EXPECT_EQ(next.state(), broken.state());
    broken = next;
    EXPECT_EQ(step(broken, i), want[i]) << i;
  }
  EXPECT_EQ(broken.state(), straight.state());
  EXPECT_THAT(test::message_of([&] { broken.restore("{\"cells\":[{}]}"); }),
              HasSubstr("KT-DATA-060"));
  EXPECT_EQ(broken.state(), straight.state());  // a refused state changes nothing
}

// Every text that the rule can make: all levels, labels, early and late groups, helps and hurts.
TEST(AlarmRule, NeverClaimsMoreThanWasShown) {
  int texts = 0;
  const auto check = [&](const std::vector<Alarm>& said) {
    for (const Alarm& alarm : said) {
      ++texts;
      EXPECT_FALSE(overclaims(alarm.text)) << alarm.text;
      EXPECT_FALSE(overclaims(alarm.label)) << alarm.label;
      for (const std::string& wanted :
           {alarm.group, alarm.loss, fmt::format("{:+.3f}", alarm.mean),
            fmt::format("{:+.3f}", alarm.lo), fmt::format("{:+.3f}", alarm.hi),
            fmt::format("n = {} ", alarm.n), fmt::format("Weight in force: {:g}", alarm.lambda)})
        EXPECT_THAT(alarm.text, HasSubstr(wanted));
      EXPECT_EQ(alarm.text.find("To try: ") == std::string::npos,
                alarm.level == AlarmLevel::kClear);
      EXPECT_EQ(alarm_from_json(to_json(alarm), "m", 1), alarm);
    }
  };
  for (const char* group : {"visible.stem", "thermal.layer2", "fusion"})
    for (const double mean : {-0.3, -0.12})
      for (const int keys : {0, 1, 2, 3}) {
        AlarmRule rule;
        for (int i = 0; i < 20 * (keys % 2); ++i) rule.add_null(group, keys > 1 ? 0.3 : -0.3);
        if (keys > 1) rule.set_cross_batch(group, "macl", -0.5, keys == 2 ? 0.1 : -0.1);
        for (std::uint32_t i = 0; i < 200; ++i) {
          ProbeRecord record = probe(i + 1, noisy(i < 130 ? mean : 0.9, 12, i),
                                     keys == 0 ? 1e-3 : 0.1, keys == 0 ? 1 : 5);
          record.groups[0].group = group;
          if (i == 130) record.epoch = 2;
          if (i > 130) record.epoch = 2;
          check(rule.add(record));
        }
      }
  EXPECT_GE(texts, 24);
  EXPECT_TRUE(overclaims("this PROVES that"));
  EXPECT_TRUE(overclaims("macl causes the decline"));
}

}  // namespace
}  // namespace ktrain
