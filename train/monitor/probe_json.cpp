#include "train/monitor/probe_json.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "runtime/fault.h"
#include "train/monitor/json_place.h"

namespace ktrain {
namespace {

Gram optional_gram(const JsonPlace& place, const char* key, std::size_t size) {
  return place.has(key) ? place.at(key).gram(size) : Gram{};
}

GroupGram read_group(const std::string& name, const JsonPlace& place, std::size_t size) {
  JsonPlace::check_name(name, place);
  place.only({"elements", "gram", "pgram", "rv", "share"});
  GroupGram group{.group = name,
                  .elements = place.at("elements").whole(0),
                  .raw = place.at("gram").gram(size),
                  .preconditioned = optional_gram(place, "pgram", size),
                  .rv = {},
                  .share = false};
  if (place.has("share")) {
    if (place.at("share").value() != true) place.at("share").refuse("another value", "true");
    group.share = true;
  }
  if (place.has("rv")) {
    group.rv = place.at("rv").number();
    if (*group.rv < 0) place.at("rv").refuse(fmt::format("{}", *group.rv), "a ratio of norms");
  }
  return group;
}

std::vector<std::string> read_losses(const JsonPlace& place) {
  std::vector<std::string> names;
  for (const JsonPlace& entry : place.entries()) {
    names.push_back(entry.text());
    JsonPlace::check_name(names.back(), entry);
  }
  if (names.empty() || names.size() > kMostLosses)
    place.refuse(fmt::format("{} losses", names.size()), fmt::format("1 to {}", kMostLosses));
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size())
    place.refuse("a loss twice", "every loss once");
  return names;
}

std::vector<double> optional_numbers(const JsonPlace& place, const char* key, std::size_t count) {
  return place.has(key) ? place.at(key).numbers(count) : std::vector<double>{};
}

ProbeRecord read_probe(const JsonPlace& place) {
  place.only({"kind", "step", "epoch", "losses", "detection", "values", "weights", "lr",
              "momentum_scale", "clip", "clip_det", "gradient_norm", "groups", "features",
              "predicted", "real", "reversed", "seconds", "interval"});
  ProbeRecord record;
  record.step = place.at("step").whole(1);
  record.epoch = place.at("epoch").whole(1);
  record.losses = read_losses(place.at("losses"));
  const std::size_t size = record.losses.size();
  record.detection = static_cast<std::size_t>(place.at("detection").whole(1));
  if (record.detection > size)
    place.at("detection")
        .refuse(fmt::format("{}", record.detection),
                fmt::format("at most {}, the number of losses", size));
  record.values = place.at("values").numbers(size);
  record.weights = place.at("weights").numbers(size);
  record.learning_rate = place.at("lr").number();
  record.momentum_scale = place.at("momentum_scale").number();
  record.clip = place.at("clip").number();
  record.clip_det = place.at("clip_det").number();
  record.gradient_norm = place.at("gradient_norm").number();
  for (const auto& [name, group] : place.at("groups").members())
    record.groups.push_back(read_group(name, group, size));
  if (place.has("features"))
    for (const auto& [name, feature] : place.at("features").members()) {
      JsonPlace::check_name(name, feature);
      record.features.push_back({name, feature.gram(size)});
    }
  record.predicted = optional_numbers(place, "predicted", size);
  record.real = optional_numbers(place, "real", size);
  if (place.has("reversed"))
    for (const JsonPlace& entry : place.at("reversed").entries()) {
      record.reversed.push_back(entry.text());
      if (std::find(record.losses.begin(), record.losses.end(), record.reversed.back()) ==
          record.losses.end())
        entry.refuse(fmt::format("'{}'", printable(record.reversed.back())), "one of 'losses'");
    }
  record.seconds = place.at("seconds").number();
  record.interval = place.at("interval").whole(0);
  return record;
}

MonitorJson json_of(const GroupGram& group) {
  MonitorJson json{{"elements", group.elements}, {"gram", group.raw.values()}};
  if (group.preconditioned.size() > 0) json["pgram"] = group.preconditioned.values();
  if (group.rv) json["rv"] = *group.rv;
  if (group.share) json["share"] = true;
  return json;
}

void require_finite(const MonitorJson& json) {
  if (json.is_structured()) {
    for (const MonitorJson& entry : json) require_finite(entry);
  } else if (json.is_number_float()) {
    KT_CHECK(std::isfinite(json.get<double>()), "a probe holds a number that is not finite");
  }
}

}  // namespace

std::string to_json(const ProbeRecord& record) {
  MonitorJson json{{"kind", "probe"},
                   {"step", record.step},
                   {"epoch", record.epoch},
                   {"losses", record.losses},
                   {"detection", record.detection},
                   {"values", record.values},
                   {"weights", record.weights},
                   {"lr", record.learning_rate},
                   {"momentum_scale", record.momentum_scale},
                   {"clip", record.clip},
                   {"clip_det", record.clip_det},
                   {"gradient_norm", record.gradient_norm},
                   {"groups", MonitorJson::object()}};
  for (const GroupGram& group : record.groups) {
    KT_CHECK(!json["groups"].contains(group.group), "a probe has group {} twice", group.group);
    json["groups"][group.group] = json_of(group);
  }
  for (const FeatureGram& feature : record.features) {
    KT_CHECK(!json.contains("features") || !json["features"].contains(feature.name),
             "a probe has feature {} twice", feature.name);
    json["features"][feature.name] = feature.raw.values();
  }
  if (!record.predicted.empty()) json["predicted"] = record.predicted;
  if (!record.real.empty()) json["real"] = record.real;
  if (!record.reversed.empty()) json["reversed"] = record.reversed;
  json["seconds"] = record.seconds;
  json["interval"] = record.interval;
  require_finite(json);
  const LineName line{"the probe", record.step};
  (void)read_probe(JsonPlace(json, line));  // whoever reads it must not be the first to notice
  return json.dump();
}

ProbeRecord probe_from_json(std::string_view line, const std::string& file,
                            std::int64_t line_number) {
  const LineName name{file, line_number};
  const MonitorJson json = parse_monitor_line(line, name);
  const JsonPlace place(json, name);
  if (const std::string kind = place.at("kind").text(); kind != "probe")
    place.at("kind").refuse(fmt::format("'{}'", printable(kind)), "'probe'");
  return read_probe(place);
}

MonitorLog parse_monitor_log(std::string_view text, const std::string& file) {
  MonitorLog log{.file = file, .probes = {}, .others = {}};
  LineName name{file, 0};
  std::size_t at = 0;
  for (std::size_t end = 0; (end = text.find('\n', at)) != std::string_view::npos; at = end + 1) {
    ++name.number;
    const std::string_view line = text.substr(at, end - at);
    const MonitorJson json = parse_monitor_line(line, name);
    const JsonPlace place(json, name);
    const std::string kind = place.at("kind").text();
    if (kind == "probe") {
      log.probes.push_back(read_probe(place));
    } else {
      JsonPlace::check_name(kind, place.at("kind"));
      log.others.push_back({name.number, kind, place.at("step").whole(0),
                            place.at("epoch").whole(0), std::string(line)});
    }
  }
  log.torn = at < text.size();
  return log;
}

MonitorLog read_monitor_log(const std::filesystem::path& run) {
  std::error_code error;
  const std::filesystem::path path = run / "monitor.jsonl";
  if (!std::filesystem::is_directory(run, error))
    throw_fault("KT-DATA-061", "{}: found no such folder, wanted that of a run",
                printable(run.string(), 400));
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path, error))
    throw_fault("KT-DATA-061",
                "{}: found no monitor.jsonl, wanted the folder of a run that was monitored; "
                "train with monitor.profile = \"watch\"",
                printable(run.string(), 400));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad())
    throw_fault("KT-DATA-061", "{}: cannot be read to its end", printable(path.string(), 400));
  return parse_monitor_log(text.view(), path.string());
}

}  // namespace ktrain
