#include "train/watch/run_view.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "train/checkpoint.h"
#include "train/early_stop.h"
#include "train/plan_check.h"
#include "train/plan_keys.h"
#include "train/read_text.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::int64_t integer(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

std::string text_of(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}

std::optional<double> number(const Json& json, const char* key) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_number()) return std::nullopt;
  const auto value = at->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool is_running(const std::string& state) { return state == "running" || state == "validating"; }

// STATUS is replaced in one step; a file that is none is as good as missing.
Json read_status(const std::string& path) {
  Json json = Json::parse(read_text(path + "/STATUS"), nullptr, false);
  return json.is_object() ? json : Json::object();
}

// Of a process of this machine, by its lock's text "process 4711, boot 0f0e...".
void read_process(const std::string& holder, RunState& state) {
  std::int64_t pid = 0;
  const std::string_view word = "process ";
  if (!holder.starts_with(word) ||
      std::from_chars(holder.data() + word.size(), holder.data() + holder.size(), pid).ec !=
          std::errc())
    return;
  state.process = pid;
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  if (boot.empty() || !holder.ends_with(boot)) return;
  std::int64_t total = 0, resident = 0;
  if (std::ifstream(fmt::format("/proc/{}/statm", pid)) >> total >> resident)
    state.resident_bytes = resident * ::sysconf(_SC_PAGESIZE);
}

void read_checkpoints(const std::string& path, RunState& state) {
  std::error_code error;
  for (fs::directory_iterator at(path + "/weights", error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    state.has_best_checkpoint = state.has_best_checkpoint || name == "best.safetensors";
    if (const auto step = checkpoint_step(name)) {
      ++state.checkpoints;
      state.newest_checkpoint = std::max(state.newest_checkpoint, *step);
    }
  }
}

std::optional<double> age_of(const std::string& path) {
  double newest = 0;
  for (const char* name : {"STATUS", "train.log", "scalars.jsonl", "monitor.jsonl", "run.cfg"}) {
    struct stat info {};
    if (::stat((path + "/" + name).c_str(), &info) == 0)
      newest = std::max(newest, static_cast<double>(info.st_mtim.tv_sec) +
                                    1e-9 * static_cast<double>(info.st_mtim.tv_nsec));
  }
  if (newest == 0) return std::nullopt;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::max(
      0.0, static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) - newest);
}

// Where the weight of a term is going, when it moves.
std::optional<double> target_of(ResolvedPlan& resolved, const std::string& term) {
  for (const PlanKey& key : plan_keys(resolved.plan))
    if (key.name == "loss." + term + ".weight")
      if (const auto* const schedule = std::get_if<WeightSchedule*>(&key.value))
        if (!(*schedule)->at.empty()) return (*schedule)->value.back();
  return std::nullopt;
}

}  // namespace

const char* health_name(Health health) {
  switch (health) {
    case Health::kHealthy:
      return "healthy";
    case Health::kDegraded:
      return "degraded";
    case Health::kStopped:
      return "stopped";
    default:
      return "crashed";
  }
}

RunView::RunView(std::string path, double stall_seconds)
    : path_(std::move(path)),
      stall_seconds_(stall_seconds),
      scalars_(path_ + "/scalars.jsonl"),
      // Probes are many and long; an alarm's line is neither.
      monitor_(path_ + "/monitor.jsonl", [this](std::string_view line) {
        if (line.find("\"probe\"") != std::string_view::npos) ++probes_;
        return line.find("\"alarm\"") != std::string_view::npos;
      }) {}

RunState RunView::refresh() {
  RunState state;
  // The order matters: a run writes its last STATUS before it lets go of the lock.
  (void)read_status(path_);
  const auto holder = holder_of(path_);
  const Json status = read_status(path_);
  state.held = holder.has_value();
  if (holder) read_process(*holder, state);
  state.state = text_of(status, "state");
  const bool of_holder = state.process && integer(status, "process") == *state.process;
  if (state.held && !is_running(state.state) && !of_holder) state.state = "starting";
  if (!state.held && (is_running(state.state) || state.state.empty())) {
    state.health = Health::kCrashed;
    state.reasons.push_back(
        state.state.empty()
            ? "no STATUS that can be read, and no process holds the folder"
            : fmt::format("STATUS says '{}', but no process holds the folder", state.state));
    state.state = "crashed";
  }
  state.step = integer(status, "step");
  state.steps = integer(status, "steps");
  state.epoch = integer(status, "epoch");
  state.epochs = integer(status, "epochs");
  state.metric = text_of(status, "metric");
  if (const std::int64_t lost = integer(status, "lost_log_lines"); lost > 0) {
    state.health = std::max(state.health, Health::kDegraded);
    state.reasons.push_back(fmt::format("{} lines of its logs could not be written", lost));
  }
  if (const std::string message = text_of(status, "message"); !message.empty())
    state.reasons.push_back(message);
  read_plan(state);
  read_scalars(state);
  read_alarms(state);
  read_checkpoints(path_, state);
  state.age_seconds = age_of(path_);
  judge(state);
  return state;
}

void RunView::read_plan(RunState& state) {
  const std::string text = read_text(path_ + "/run.cfg");
  if (text != plan_text_) {
    plan_text_ = text;
    plan_.reset();
    plan_error_.clear();
    try {
      if (!text.empty()) plan_ = parse_plan(text, path_ + "/run.cfg");
    } catch (const Fault& fault) {
      plan_error_ = fault.what();
    }
  }
  if (!plan_error_.empty())
    state.notes.push_back("run.cfg is not of this version: " + plan_error_);
  else if (!plan_)
    state.notes.push_back("no run.cfg: neither early stop nor the pace is known");
}

void RunView::read_scalars(RunState& state) {
  JsonLines::Update update = scalars_.poll();
  if (update.restarted) {
    train_ = nullptr;
    validations_.clear();
  }
  for (Json& record : update.records) {
    const std::string kind = text_of(record, "kind");
    if (kind == "train")
      train_ = std::move(record);
    else if (kind == "validation")
      validations_.push_back(std::move(record));
  }
  if (!validations_.empty()) state.last = validations_.back();
  for (const Json& v : validations_)
    if (v.value("best", Json(false)) == Json(true)) state.best = v;
  if (plan_ && plan_->plan.stop.patience > 0) {
    try {
      EarlyStop stop(plan_->plan.stop);
      for (const Json& v : validations_)
        state.stop_reason =
            stop.update(integer(v, "epoch"), number(v, plan_->plan.stop.metric.c_str())).reason;
    } catch (const Fault& fault) {
      state.stop_reason = fault.what();
    }
  }
  if (!train_.is_object()) return;
  state.step = std::max(state.step, integer(train_, "step"));
  state.epoch = std::max(state.epoch, integer(train_, "epoch"));
  state.loss = number(train_, "loss");
  state.learning_rate = number(train_, "lr");
  state.gradient_norm = number(train_, "gradient_norm");
  state.pairs_per_second = number(train_, "pairs_per_second");
  for (const auto& [key, value] : train_.items()) {
    if (!key.starts_with("weight_")) continue;
    const std::string name = key.substr(7);
    state.losses.push_back({.name = name,
                            .value = number(train_, name.c_str()),
                            .weight = number(train_, key.c_str()),
                            .target = plan_ ? target_of(*plan_, name) : std::nullopt});
  }
  if (plan_ && state.pairs_per_second && *state.pairs_per_second > 0 && state.steps > 0)
    state.seconds_left = static_cast<double>(state.steps - state.step) *
                         static_cast<double>(plan_->plan.train.batch) / *state.pairs_per_second;
}

void RunView::read_alarms(RunState& state) {
  const std::int64_t before = probes_;
  JsonLines::Update update = monitor_.poll();
  if (update.restarted) {
    alarms_.clear();
    probes_ -= before;
  }
  for (const Json& record : update.records) {
    if (text_of(record, "kind") != "alarm") continue;
    ActiveAlarm alarm{.step = integer(record, "step"),
                      .level = text_of(record, "level"),
                      .group = text_of(record, "group"),
                      .loss = text_of(record, "loss"),
                      .text = text_of(record, "text")};
    const std::pair key(alarm.group, alarm.loss);
    if (alarm.level == "clear")
      alarms_.erase(key);
    else
      alarms_[key] = std::move(alarm);
  }
  for (const auto& [key, alarm] : alarms_) state.alarms.push_back(alarm);
  state.probes = probes_;
}

// How long a living run may write nothing. Its own pace, ten times over.
double RunView::patience_seconds(const RunState& state) const {
  if (stall_seconds_ > 0) return stall_seconds_;
  double slowest_validation = 0;
  for (const Json& v : validations_)
    slowest_validation = std::max(slowest_validation, number(v, "seconds").value_or(0));
  if (state.state == "validating") return std::max(1800.0, 10 * slowest_validation);
  if (!plan_ || !state.pairs_per_second || *state.pairs_per_second <= 0) return 3600;
  const double line = static_cast<double>(plan_->plan.output.log_every * plan_->plan.train.batch) /
                      *state.pairs_per_second;
  return std::max(300.0, 10 * line + slowest_validation);
}

void RunView::judge(RunState& state) const {
  const auto degrade = [&](const std::string& reason) {
    state.health = std::max(state.health, Health::kDegraded);
    state.reasons.push_back(reason);
  };
  for (const std::string stopped : {"stopped early", "preempted", "interrupted", "failed"})
    if (state.state == stopped) state.health = std::max(state.health, Health::kStopped);
  if (train_.is_object()) {
    if (!state.loss) degrade("the last total loss is not finite");
    for (const LossState& loss : state.losses)
      if (!loss.value) degrade(fmt::format("the last value of {} is not finite", loss.name));
    if (!state.gradient_norm) degrade("the last gradient norm is not finite");
  }
  if (const std::int64_t bad = scalars_.bad_lines() + monitor_.bad_lines(); bad > 0)
    degrade(fmt::format("{} lines of its records cannot be read", bad));
  for (const ActiveAlarm& alarm : state.alarms)
    if (alarm.level == "alarm")
      degrade(fmt::format("alarm since step {}: {} in {}", alarm.step, alarm.loss, alarm.group));
  if (state.held && state.age_seconds && *state.age_seconds > patience_seconds(state))
    degrade(fmt::format("has written nothing for {:.0f} s, and may take {:.0f} s",
                        *state.age_seconds, patience_seconds(state)));
}

}  // namespace ktrain
