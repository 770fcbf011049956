#include "train/watch/watch_text.h"

#include <algorithm>

#include "runtime/fault.h"
#include "train/console.h"

namespace ktrain {
namespace {

using Json = nlohmann::json;

constexpr const char *kRed = "31", *kGreen = "32", *kYellow = "33", *kDim = "2", *kBold = "1";

class Writer {
 public:
  explicit Writer(bool color) : color_(color) {}

  [[nodiscard]] std::string paint(const std::string& text, const char* code) const {
    return color_ ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
  }
  void line(const std::string& label, const std::string& text) {
    lines.push_back(text.empty()
                        ? ""
                        : fmt::format("  {}  {}", paint(fmt::format("{:<8}", label), kDim), text));
  }

  std::vector<std::string> lines;

 private:
  bool color_;
};

std::string bar(double share, int width) {
  const int done = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  return fmt::format("[{}{}]", std::string(static_cast<std::size_t>(done), '='),
                     std::string(static_cast<std::size_t>(width - done), ' '));
}

std::string gib(std::uint64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / (1 << 30));
}

std::string metric(const Json& v, const char* name) {
  const auto at = v.find(name);
  return at != v.end() && at->is_number() ? fmt::format("{:.4f}", at->get<double>()) : "n/a";
}

std::string machine_line(const MachineState& m) {
  std::string text = fmt::format("{} cores", m.cores);
  if (m.busy_percent) text += fmt::format(", {:.0f} % busy", *m.busy_percent);
  if (m.load) text += fmt::format(", load {:.2f}", *m.load);
  if (m.used_bytes && m.total_bytes)
    text += fmt::format("; memory {} of {} GiB", gib(*m.used_bytes), gib(*m.total_bytes));
  for (const GpuState& gpu : m.gpus) {
    text += fmt::format("; {} {} % busy, {} of {} GiB", printable(gpu.name), gpu.busy_percent,
                        gib(gpu.used_bytes), gib(gpu.total_bytes));
    if (gpu.celsius) text += fmt::format(", {} C", *gpu.celsius);
  }
  return text + (m.gpus.empty() ? "; no GPU answers" : "");
}

void progress_lines(const RunState& s, Writer& out) {
  std::string text;
  if (s.steps > 0)
    text = fmt::format("epoch {}/{}  {} step {}/{}", s.epoch, s.epochs,
                       bar(static_cast<double>(s.step) / static_cast<double>(s.steps), 24), s.step,
                       s.steps);
  if (s.pairs_per_second) text += fmt::format("  {:.1f} pairs/s", *s.pairs_per_second);
  if (s.held && s.seconds_left) text += fmt::format("  eta {}", duration_text(*s.seconds_left));
  if (s.age_seconds) text += fmt::format("  written {} ago", duration_text(*s.age_seconds));
  if (s.resident_bytes)
    text += fmt::format("  process {} with {} GiB", *s.process,
                        gib(static_cast<std::uint64_t>(*s.resident_bytes)));
  out.line("progress", text);
}

void validation_lines(const RunState& s, Writer& out) {
  const auto row = [](const Json& v) {
    return fmt::format("epoch {}  mAP {}  recall {}  miss rate {}  dets {} for {} targets",
                       v.value("epoch", Json(0)).dump(), metric(v, "map"), metric(v, "recall"),
                       metric(v, "miss_rate"), v.value("dets", Json(nullptr)).dump(),
                       v.value("gts", Json(nullptr)).dump());
  };
  if (!s.last.is_object()) return out.line("latest", "no validation yet");
  out.line("latest", row(s.last));
  if (s.best.is_object())
    out.line("best", row(s.best) + (s.metric.empty() ? "" : "  by " + printable(s.metric)));
  if (!s.stop_reason.empty()) out.line("stopping", printable(s.stop_reason, 200));
}

void loss_lines(const RunState& s, Writer& out) {
  if (s.losses.empty()) return;
  std::string text = s.loss ? fmt::format("{:.4f} =", *s.loss) : std::string("NOT FINITE =");
  for (std::size_t i = 0; i < s.losses.size(); ++i) {
    const LossState& loss = s.losses[i];
    text +=
        fmt::format("{} {} {}", i > 0 ? " +" : "",
                    loss.weight && *loss.weight != 1 ? fmt::format("{:.4g} x", *loss.weight) : "",
                    printable(loss.name));
    text += loss.value ? fmt::format(" {:.4f}", *loss.value) : std::string(" NOT FINITE");
  }
  if (s.gradient_norm) text += fmt::format("  |g| {:.2f}", *s.gradient_norm);
  if (s.learning_rate) text += fmt::format("  lr {:.2e}", *s.learning_rate);
  out.line("loss", text);
  for (const LossState& loss : s.losses)
    if (loss.target && loss.weight)
      out.line(
          "lambda",
          fmt::format("{}  {:.4g} of {:.4g}{}", printable(loss.name), *loss.weight, *loss.target,
                      *loss.target > 0 ? "  " + bar(*loss.weight / *loss.target, 24) : ""));
}

const char* color_of(Health health) {
  return health == Health::kHealthy ? kGreen : health == Health::kDegraded ? kYellow : kRed;
}

// One line; beneath it what is wrong.
void session_lines(const SessionState& s, Writer& out) {
  const std::string progress =
      s.kind == "recovery"
          ? fmt::format("{} decisions{}", s.done,
                        s.total > 0 ? fmt::format(", a tree of {} nodes", s.total) : "")
          : fmt::format("{}{} runs", s.done, s.total > 0 ? fmt::format(" of {}", s.total) : "");
  std::string text = fmt::format("{}  {} {}  {}", out.paint(printable(s.name, 200), kBold), s.kind,
                                 out.paint(printable(s.state), color_of(s.health)), progress);
  if (s.failed > 0) text += fmt::format(", {} failed", s.failed);
  if (!s.stage.empty()) text += "  " + printable(s.stage, 200);
  if (s.seconds_left && *s.seconds_left > 0)
    text += fmt::format("  eta {}", duration_text(*s.seconds_left));
  out.lines.push_back(std::move(text));
  for (const std::string& reason : s.reasons)
    out.line("why", out.paint(printable(reason, 400), color_of(s.health)));
  for (const std::string& note : s.notes) out.line("note", printable(note, 400));
  out.lines.emplace_back();
}

void run_lines(const SeenRun& run, Writer& out) {
  const RunState& s = run.state;
  const char* const color = color_of(s.health);
  out.lines.push_back(
      fmt::format("{}  {}{}", out.paint(printable(run.found.name, 200), kBold),
                  out.paint(printable(s.state), color),
                  s.health == Health::kDegraded ? out.paint("  degraded", color) : std::string()));
  for (const std::string& reason : s.reasons)
    out.line("why", out.paint(printable(reason, 400), color));
  progress_lines(s, out);
  validation_lines(s, out);
  loss_lines(s, out);
  for (const ActiveAlarm& alarm : s.alarms)
    out.line(printable(alarm.level),
             out.paint(fmt::format("step {}  {} in {}: {}", alarm.step, printable(alarm.loss),
                                   printable(alarm.group), printable(alarm.text, 400)),
                       alarm.level == "info" ? kDim : kYellow));
  if (s.probes > 0 && s.alarms.empty())
    out.line("monitor", fmt::format("{} probes, no active alarm", s.probes));
  out.line("weights",
           s.checkpoints == 0
               ? std::string("no checkpoint yet")
               : fmt::format("{} files, newest of step {}{}", s.checkpoints, s.newest_checkpoint,
                             s.has_best_checkpoint ? ", best.safetensors" : ""));
  for (const std::string& note : s.notes) out.line("note", printable(note, 400));
  out.lines.emplace_back();
}

Json optional_json(const auto& value) { return value ? Json(*value) : Json(nullptr); }

Json run_json(const SeenRun& run) {
  const RunState& s = run.state;
  Json losses = Json::object(), alarms = Json::array();
  for (const LossState& loss : s.losses)
    losses[loss.name] = {{"value", optional_json(loss.value)},
                         {"weight", optional_json(loss.weight)},
                         {"target", optional_json(loss.target)}};
  for (const ActiveAlarm& alarm : s.alarms)
    alarms.push_back({{"step", alarm.step},
                      {"level", alarm.level},
                      {"group", alarm.group},
                      {"loss", alarm.loss},
                      {"text", alarm.text}});
  return {{"run", run.found.name},
          {"folder", run.found.path},
          {"state", s.state},
          {"health", health_name(s.health)},
          {"reasons", s.reasons},
          {"notes", s.notes},
          {"held", s.held},
          {"process", optional_json(s.process)},
          {"resident_bytes", optional_json(s.resident_bytes)},
          {"step", s.step},
          {"steps", s.steps},
          {"epoch", s.epoch},
          {"epochs", s.epochs},
          {"pairs_per_second", optional_json(s.pairs_per_second)},
          {"eta_seconds", optional_json(s.seconds_left)},
          {"age_seconds", optional_json(s.age_seconds)},
          {"loss", optional_json(s.loss)},
          {"losses", losses},
          {"lr", optional_json(s.learning_rate)},
          {"gradient_norm", optional_json(s.gradient_norm)},
          {"metric", s.metric},
          {"latest", s.last},
          {"best", s.best},
          {"early_stop", s.stop_reason},
          {"alarms", alarms},
          {"probes", s.probes},
          {"checkpoints", s.checkpoints},
          {"newest_checkpoint", s.newest_checkpoint},
          {"best_checkpoint", s.has_best_checkpoint}};
}

Json session_json(const SessionState& s) {
  return {{"name", s.name},
          {"folder", s.path},
          {"kind", s.kind},
          {"state", s.state},
          {"health", health_name(s.health)},
          {"reasons", s.reasons},
          {"notes", s.notes},
          {"held", s.held},
          {"stage", s.stage},
          {"done", s.done},
          {"total", s.total > 0 ? Json(s.total) : Json(nullptr)},
          {"failed", s.failed},
          {"eta_seconds", optional_json(s.seconds_left)}};
}

Json machine_json(const MachineState& m) {
  Json gpus = Json::array();
  for (const GpuState& gpu : m.gpus)
    gpus.push_back({{"name", gpu.name},
                    {"busy_percent", gpu.busy_percent},
                    {"used_bytes", gpu.used_bytes},
                    {"total_bytes", gpu.total_bytes},
                    {"celsius", optional_json(gpu.celsius)}});
  return {{"cores", m.cores},
          {"load", optional_json(m.load)},
          {"busy_percent", optional_json(m.busy_percent)},
          {"used_bytes", optional_json(m.used_bytes)},
          {"total_bytes", optional_json(m.total_bytes)},
          {"gpus", gpus}};
}

}  // namespace

int Look::exit_code() const {
  if (runs.empty() && sessions.empty()) return 1;
  int worst = 0;
  for (const SessionState& session : sessions)
    worst = std::max(worst, static_cast<int>(session.health));
  for (const SeenRun& run : runs) worst = std::max(worst, static_cast<int>(run.state.health));
  return worst;
}

std::vector<std::string> look_text(const Look& look, bool color) {
  Writer out(color);
  out.lines.push_back(
      fmt::format("{}  {} runs{}  {}",
                  out.paint("ktrain watch " + printable(look.root, 200), kBold), look.runs.size(),
                  look.archived > 0 ? fmt::format(", {} archived", look.archived) : "", look.time));
  out.lines.push_back(machine_line(look.machine));
  out.lines.emplace_back();
  for (const SessionState& session : look.sessions) session_lines(session, out);
  for (const SeenRun& run : look.runs) run_lines(run, out);
  if (look.runs.empty() && look.sessions.empty())
    out.lines.push_back("no run found beneath " + printable(look.root, 200));
  return out.lines;
}

std::string look_json(const Look& look) {
  Json runs = Json::array(), sessions = Json::array();
  for (const SeenRun& run : look.runs) runs.push_back(run_json(run));
  for (const SessionState& session : look.sessions) sessions.push_back(session_json(session));
  const Json json = {{"root", look.root},
                     {"time", look.time},
                     {"exit_code", look.exit_code()},
                     {"runs", runs},
                     {"sessions", sessions},
                     {"archived", look.archived},
                     {"machine", machine_json(look.machine)}};
  // Names of folders need not be UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ktrain
