#include "train/monitor/alarm_text.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "train/monitor/json_place.h"

namespace ktrain {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"none", "info", "warn", "alarm", "clear"};

bool early_group(std::string_view group) {
  return group.ends_with(".stem") || group.ends_with(".layer1") || group.ends_with(".layer2");
}

// Remedies to try in shadow or by replay, the likeliest first (sec. 7.4 of the monitor's design).
std::string suggestions(const Alarm& alarm, const AlarmCounts& counts) {
  const bool intermittent =
      static_cast<double>(counts.conflicts) < 0.8 * static_cast<double>(alarm.n);
  std::string first = early_group(alarm.group)
                          ? fmt::format("cut {} from {} down", alarm.loss, alarm.group)
                      : intermittent ? std::string("gate")
                                     : std::string("pc_asym");
  const std::string second = early_group(alarm.group) || intermittent ? "pc_asym" : "gate";
  return fmt::format(
      "{}, {}, or a smaller loss.{}.weight; `ktrain replay RUN --remedy pc_asym` "
      "shows what it would have changed",
      first, second, alarm.loss);
}

std::string effect_text(const Alarm& alarm, const AlarmCounts& counts) {
  std::string text;
  if (alarm.tax)
    text = *alarm.tax >= 0 ? fmt::format(
                                 "It cancels {:.1f} % of detection's first-order progress there "
                                 "(tax, median of the last probes)",
                                 100 * *alarm.tax)
                           : fmt::format(
                                 "It adds {:.1f} % to detection's first-order progress there (tax "
                                 "below 0, median of the last probes)",
                                 -100 * *alarm.tax);
  if (counts.steps > 0)
    text += fmt::format(
        "; the whole step is predicted to raise detection's loss in {} of {} "
        "probes",
        counts.harmful, counts.steps);
  return text;
}

}  // namespace

std::string_view level_name(AlarmLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

std::string alarm_text(const Alarm& alarm, const AlarmCounts& counts) {
  const bool clear = alarm.level == AlarmLevel::kClear;
  std::string text = fmt::format(
      "{}: {} {} detection: mean preconditioned cosine {:+.3f}, simultaneous band {:+.3f} to "
      "{:+.3f} (n = {} probes since step {}, lag-1 correlation {:.2f}). {}. Weight in force: {:g}.",
      alarm.group, alarm.loss, clear ? "is no longer seen to pull against" : "pulls against",
      alarm.mean, alarm.lo, alarm.hi, alarm.n, counts.first_step, alarm.r1,
      effect_text(alarm, counts), alarm.lambda);
  if (!clear && alarm.onset_step > 0) text += fmt::format(" Began near step {}.", alarm.onset_step);
  if (!clear && !alarm.label.empty()) text += fmt::format(" Label: {}.", alarm.label);
  if (!clear) text += fmt::format(" To try: {}.", suggestions(alarm, counts));
  return text;
}

bool overclaims(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr std::array<std::string_view, 8> kWords = {
      "prove", "proof", "caus", "certain", "definit", "undoubted", "guarantee", "demonstrates"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

std::string to_json(const Alarm& alarm) {
  MonitorJson json{{"kind", "alarm"},      {"step", alarm.step},
                   {"epoch", alarm.epoch}, {"level", level_name(alarm.level)},
                   {"group", alarm.group}, {"loss", alarm.loss},
                   {"mean", alarm.mean},   {"lo", alarm.lo},
                   {"hi", alarm.hi},       {"n", alarm.n},
                   {"r1", alarm.r1}};
  json["tax"] = alarm.tax ? MonitorJson(*alarm.tax) : MonitorJson(nullptr);
  json["lambda"] = alarm.lambda;
  json["onset_step"] = alarm.onset_step;
  json["label"] = alarm.label;
  json["text"] = alarm.text;
  return json.dump();
}

Alarm alarm_from_json(std::string_view line, const std::string& file, std::int64_t line_number) {
  const LineName name{file, line_number};
  const MonitorJson json = parse_monitor_line(line, name);
  const JsonPlace place(json, name);
  if (place.at("kind").text() != "alarm") place.at("kind").refuse("another kind", "'alarm'");
  place.only({"kind", "step", "epoch", "level", "group", "loss", "mean", "lo", "hi", "n", "r1",
              "tax", "lambda", "onset_step", "label", "text"});
  const std::string level = place.at("level").text();
  const auto known = std::find(kLevels.begin(), kLevels.end(), level);
  if (known == kLevels.end())
    place.at("level").refuse("another word", fmt::format("{}", fmt::join(kLevels, ", ")));
  Alarm alarm;
  alarm.step = place.at("step").whole(1);
  alarm.epoch = place.at("epoch").whole(1);
  alarm.level = static_cast<AlarmLevel>(known - kLevels.begin());
  alarm.group = place.at("group").text();
  alarm.loss = place.at("loss").text();
  alarm.mean = place.at("mean").number();
  alarm.lo = place.at("lo").number();
  alarm.hi = place.at("hi").number();
  alarm.n = place.at("n").whole(0);
  alarm.r1 = place.at("r1").number();
  if (!place.at("tax").value().is_null()) alarm.tax = place.at("tax").number();
  alarm.lambda = place.at("lambda").number();
  alarm.onset_step = place.at("onset_step").whole(0);
  alarm.label = place.at("label").text();
  alarm.text = place.at("text").text();
  return alarm;
}

}  // namespace ktrain
