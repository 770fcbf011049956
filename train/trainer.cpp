#include "train/trainer.h"

#include <csignal>
#include <utility>

#include "kernels/parallel.h"
#include "kernels/profile.h"
#include "runtime/fault.h"
#include "train/frozen_proof.h"
#include "train/initial_weights.h"
#include "train/machine_text.h"
#include "train/metrics/results.h"
#include "train/monitor/drift_monitor.h"
#include "train/plan_text.h"
#include "train/run_events.h"
#include "train/run_records.h"
#include "train/run_setup.h"

namespace ktrain {
namespace {

CheckpointOptions checkpoint_options(const Plan& plan, const Timeline& timeline,
                                     const Notice& notice) {
  CheckpointOptions options;
  options.keep = plan.train.keep;
  if (const auto& kept = plan.train.keep_epochs; !kept.empty())
    options.also_keep = [first = kept[0], last = kept.back(),
                         steps = timeline.steps_per_epoch](std::int64_t step) {
      return step % steps == 0 && step / steps >= first && step / steps <= last;
    };
  options.notice = notice;
  return options;
}

// A run that goes on computes with as many threads as before, unless the plan names a number: the
// last bits of some sums depend on it.
ResolvedPlan with_threads(ResolvedPlan resolved, FileSystem& files, const std::string& folder) {
  if (resolved.plan.threads != 0) return resolved;
  const auto threads = threads_of_run(files, folder + "/weights");
  if (threads) resolved.plan.threads = *threads;
  return resolved;
}

std::string protocol_text(const Plan& plan, const Validation& v) {
  if (plan.eval.protocol == "coco") return coco_text(v);
  return plan.eval.protocol == "kaist" ? kaist_text(v) : voc_text(v);
}

}  // namespace

int exit_code(RunEnd end) {
  switch (end) {
    case RunEnd::kPreempted:
      return static_cast<int>(Exit::kPreempted);
    case RunEnd::kInterrupted:
      return static_cast<int>(Exit::kInterrupted);
    default:
      return static_cast<int>(Exit::kDone);
  }
}

struct Trainer::State {
  State(const ResolvedPlan& resolved, const TrainerOptions& given, Console& console)
      : options(given),
        notice([this, &console](const std::string& line) { tell(console, line); }),
        setup(given.fresh ? resolved : with_threads(resolved, files, given.folder), notice),
        archived(given.fresh ? archive_run_folder(files, given.folder) : ""),
        folder(files, given.folder, notice),
        records(folder, console, setup.plan(), setup.timeline(), setup.total_steps(),
                setup.training().loss_names()),
        weights(files, folder.lock(), "weights",
                checkpoint_options(setup.plan(), setup.timeline(), saving())),
        identity(identity_of(setup.plan(), setup.data())),
        stop(setup.plan().stop) {
    for (const std::string& line : early) folder.log(line);
    early.clear();
    logging = true;
    if (!archived.empty()) records.text(fmt::format("fresh     the older run is now {}", archived));
  }

  // To the console, and to the log as soon as there is one.
  void tell(Console& console, const std::string& line) {
    const std::string text = "notice    " + line;
    console.text(text);
    if (logging)
      folder.log(text);
    else
      early.push_back(text);
  }

  // What goes as it should is for the log alone.
  [[nodiscard]] Notice saving() {
    return [this](const std::string& line) {
      if (line.starts_with("durable "))
        folder.log(line);
      else
        notice(line);
    };
  }

  // Whether the step that is done was the last one of an epoch, or of the run.
  [[nodiscard]] bool at_epoch_end() const {
    return progress.step > 0 && (progress.step % setup.timeline().steps_per_epoch == 0 ||
                                 progress.step == setup.total_steps());
  }
  [[nodiscard]] bool save_due() const {
    const std::int64_t every = setup.plan().train.checkpoint_every;
    return every > 0 && progress.step % every == 0;
  }
  [[nodiscard]] bool drift_due() const { return drift && drift->due(progress.step); }
  void begin();
  RunEnd loop(const StopSignals& signals);
  // One more step is done. On a GPU what it measured is told when the next one is on its way, or
  // when something else than a step comes next.
  void step_done(StepReport report);
  void tell_step();
  // False when a signal came before the validation was through.
  bool finish_epoch(const StopSignals& signals);
  bool validate(const StopSignals& signals);
  void save();
  void begin_drift(bool resumed);
  void measure_drift(Depth depth);
  // TensorBoard's files begin with the first step that they do not hold for good.
  void open_events();
  void write_validation(const Validation& v, std::span<const metrics::Detections> found);
  RunEnd finish(RunEnd end);
  [[nodiscard]] std::string report(RunEnd end) const;

  TrainerOptions options;
  FileSystem& files = real_file_system();
  std::vector<std::string> early;  // notices from before there was a log
  bool logging = false;
  Notice notice;
  RunSetup setup;
  std::string archived;  // where the older run went, "" when there was none or it was not asked for
  RunFolder folder;
  RunRecords records;
  CheckpointFolder weights;
  Metadata identity;
  EarlyStop stop;
  Progress progress;
  std::optional<FrozenProof> frozen;
  std::optional<DriftMonitor> drift;
  DriftMonitor::SideNumbers queue;  // of the last step of an epoch
  std::optional<RunEvents> events;
  std::string init;
  std::int64_t saved_step = -1;
  struct Untold {
    StepReport report;
    Progress progress;
    double data_seconds;
  };
  std::optional<Untold> untold;
};

Trainer::Trainer(const ResolvedPlan& resolved, const TrainerOptions& options, Console& console)
    : state_(std::make_unique<State>(resolved, options, console)) {
  state_->begin();
}

Trainer::~Trainer() = default;

void Trainer::State::begin() {
  TrainingStep& training = setup.training();
  const auto resumed = weights.resume();
  std::string start;
  if (resumed) {
    progress = restore_state(*resumed, identity, training, stop);
    init = resumed->metadata("init");
    if (const std::string line = training.monitor().restore(*resumed); !line.empty()) notice(line);
    if (progress.threads != num_threads())
      notice(
          fmt::format("{} threads, before it were {}: the last bits of the results may differ "
                      "from a run that was never stopped",
                      num_threads(), progress.threads));
    saved_step = progress.step;
    const bool validated = progress.validated_epoch == progress.epoch;
    const std::int64_t cut = folder.cut_after(progress.step, progress.step - (validated ? 0 : 1));
    // A process that died between the save after a validation and this.
    if (validated && stop.best_epoch() == progress.epoch && at_epoch_end() &&
        resumed->path() == weights.path_of(progress.step))
      weights.mark_best(progress.step);
    start =
        fmt::format("resume    step {} of {}, from {} (#{:.8}); weights began as {}{}",
                    progress.step, setup.total_steps(), resumed->path(), resumed->payload_hash(),
                    init, cut > 0 ? fmt::format("; {} records of lost steps taken out", cut) : "");
  } else {
    init = load_initial_weights(files, setup.resolved(), options.prerequisite, options.runs,
                                training, notice);
    // What a run left that never came to its first checkpoint.
    const std::int64_t cut = folder.cut_after(0, 0);
    start =
        fmt::format("init      {}{}", init,
                    cut > 0 ? fmt::format("; {} records without a checkpoint taken out", cut) : "");
  }
  progress.threads = num_threads();
  frozen.emplace(training.parameters(),
                 setup.plan().model.norm == "batch" ? Statistics::kMoving : Statistics::kFixed);
  if (!progress.ended.empty()) return;
  folder.write("run.cfg", resolved_text(setup.resolved()));
  folder.write("env.txt", machine_text());
  records.text(setup.heading() + start);
  records.text(fmt::format("frozen    {} tensors, #{:.8}; checked after every epoch",
                           frozen->num_tensors(), frozen->hash()));
  begin_drift(resumed.has_value());
  records.text(fmt::format("folder    {}", folder.path()));
  records.status("running", progress, stop, "");
  setup.seek(progress.step);
  if (setup.plan().output.tensorboard) open_events();
}

void Trainer::State::open_events() {
  const bool validated = progress.validated_epoch == progress.epoch;
  events.emplace(folder.path(), progress.step + (validated ? 1 : 0),
                 folder.read("scalars.jsonl") + folder.read("monitor.jsonl"), notice);
  folder.listen([this](const std::string& json) { events->line(json); });
}

RunEnd Trainer::run(const StopSignals& signals) {
  State& state = *state_;
  if (!state.progress.ended.empty()) {
    state.records.end(state.progress.ended, state.progress, state.stop);
    state.records.result(fmt::format("This run is complete ({}); --fresh starts it over.\n{}",
                                     state.progress.ended, state.folder.read("report.txt")));
    return state.progress.ended == "done" ? RunEnd::kDone : RunEnd::kStoppedEarly;
  }
  try {
    return state.finish(state.loop(signals));
  } catch (const std::exception& error) {
    state.folder.log(error.what());
    try {
      state.records.status("failed", state.progress, state.stop, error.what());
    } catch (const Error& second) {
      state.folder.log(second.what());  // the first error is the one to tell
    }
    throw;
  }
}

RunEnd Trainer::State::loop(const StopSignals& signals) {
  // A run that was cut short between the last step of an epoch and its validation.
  const auto leave = [&] {
    tell_step();
    records.text("stopping on request; a second Ctrl-C ends at once");
    if (saved_step != progress.step) save();
    return signals.pending() == SIGINT ? RunEnd::kInterrupted : RunEnd::kPreempted;
  };
  if (at_epoch_end() && !finish_epoch(signals)) return leave();
  records.restart_clock();
  while (progress.step < setup.total_steps() && !stop.stopped()) {
    if (signals.pending() != 0) return leave();
    step_done(setup.train_step(progress.step));
    if (at_epoch_end()) {
      if (!finish_epoch(signals)) return leave();
    } else {
      const bool look = drift_due(), keep = save_due();
      if (look) measure_drift(Depth::kLayers);
      if (keep) save();
      if (!look && !keep) continue;
    }
    records.restart_clock();
  }
  return stop.stopped() ? RunEnd::kStoppedEarly : RunEnd::kDone;
}

void Trainer::State::step_done(StepReport report) {
  ++progress.step;
  tell_step();
  untold.emplace(Untold{std::move(report), progress, setup.data_seconds()});
  if (!untold->report.sent || at_epoch_end() || save_due() || drift_due()) tell_step();
}

void Trainer::State::tell_step() {
  if (!untold) return;
  Untold step = *std::exchange(untold, std::nullopt);
  setup.training().finish(step.report);
  records.step(step.progress, step.report, step.data_seconds);
  if (drift && at_epoch_end()) queue = DriftMonitor::queue_numbers(step.report.side);
  for (const std::string& line : step.report.monitor.lines) folder.monitor(line);
  for (const std::string& text : step.report.monitor.texts) records.text(text);
  if (step.report.audit)
    folder.monitor(audit_line(*step.report.audit, step.progress.step,
                              setup.timeline().epoch_of(step.progress.step - 1) + 1));
}

bool Trainer::State::finish_epoch(const StopSignals& signals) {
  const std::int64_t per_epoch = setup.timeline().steps_per_epoch;
  progress.epoch = (progress.step + per_epoch - 1) / per_epoch;
  frozen->check();
  if (saved_step != progress.step) {
    // Before the save: a step from which a run goes on has its records.
    if (drift) measure_drift(Depth::kEverything);
    save();
  }
  const bool last = progress.step == setup.total_steps();
  const bool due = last || progress.epoch % setup.plan().train.eval_every == 0;
  return !due || progress.validated_epoch == progress.epoch || validate(signals);
}

bool Trainer::State::validate(const StopSignals& signals) {
  records.status("validating", progress, stop, "");
  const double begin = monotonic_seconds();
  const auto found = setup.detect([&] { return signals.pending() != 0; });
  if (!found) return false;
  const Validation v = score(setup.data().val, *found);
  const StopVerdict verdict = stop.update(progress.epoch, v.metric(setup.plan().stop.metric));
  progress.validated_epoch = progress.epoch;
  write_validation(v, *found);
  records.validation(progress, v, verdict, monotonic_seconds() - begin);
  records.text(protocol_text(setup.plan(), v));
  if (events) events->pairs(progress.step, setup.data(), *found);
  save();
  if (verdict.best) weights.mark_best(progress.step);
  records.status("running", progress, stop, "");
  return true;
}

void Trainer::State::save() {
  Metadata metadata = state_metadata(identity, progress, stop, init);
  metadata["monitor"] = setup.training().monitor().state_text();
  metadata["steps_per_epoch"] = std::to_string(setup.timeline().steps_per_epoch);
  (void)weights.save(progress.step, state_arrays(setup.training()), std::move(metadata));
  saved_step = progress.step;
}

void Trainer::State::begin_drift(bool resumed) {
  if (!drift_wanted(setup.plan(), setup.training())) return;
  drift.emplace(setup, files, folder.path());
  if (!resumed)
    drift->start(init);
  else if (!drift->resume(notice))
    return drift.reset();
  records.text(drift->text());
}

void Trainer::State::measure_drift(Depth depth) {
  const std::int64_t per_epoch = setup.timeline().steps_per_epoch;
  const std::int64_t epoch = (progress.step + per_epoch - 1) / per_epoch;
  for (const std::string& line : drift->measure(progress.step, epoch, depth, queue))
    folder.monitor(line);
}

void Trainer::State::write_validation(const Validation& v,
                                      std::span<const metrics::Detections> found) {
  const std::string at = fmt::format("val/epoch_{:02}/", progress.epoch);
  folder.write(at + "voc_table.txt", voc_text(v));
  folder.write(at + "kaist.txt", kaist_text(v));
  folder.write(at + "coco.txt", coco_text(v));
  folder.write(at + "scores.json", validation_json(v) + "\n");
  metrics::write_kaist_results(folder.path() + "/" + at + "detections.txt", found);
}

std::string Trainer::State::report(RunEnd end) const {
  const std::int64_t epoch = stop.best_epoch();
  const std::string at = fmt::format("val/epoch_{:02}/", epoch);
  std::string text = fmt::format(
      "{}: {} after {} of {} epochs; best epoch {} with {} {:.4f}\n", setup.resolved().name,
      end == RunEnd::kDone ? "done" : "stopped early", progress.epoch, setup.timeline().epochs,
      epoch, setup.plan().stop.metric, stop.best_value());
  text += folder.read(at + "voc_table.txt") + folder.read(at + "kaist.txt");
  if (setup.plan().eval.protocol == "coco") text += folder.read(at + "coco.txt");
  text += setup.training().monitor().summary();
  text += fmt::format(
      "best weights   {0}/weights/best.safetensors\n"
      "validations    {0}/results.csv, {0}/val/\n"
      "log, scalars   {0}/train.log, {0}/scalars.jsonl\n"
      "plan as run    {0}/run.cfg\n",
      folder.path());
  return text;
}

RunEnd Trainer::State::finish(RunEnd end) {
  if (end == RunEnd::kPreempted || end == RunEnd::kInterrupted) {
    const char* const name = end == RunEnd::kPreempted ? "preempted" : "interrupted";
    records.status(name, progress, stop, "");
    records.end(name, progress, stop);
    records.result(
        fmt::format("{}: stopped on request after step {} of {}; saved; the same command "
                    "goes on from here",
                    setup.resolved().name, progress.step, setup.total_steps()));
    return end;
  }
  // The report first: once the checkpoint says that the run has ended, it is there.
  const std::string text = report(end);
  folder.write("report.txt", text);
  progress.ended = end == RunEnd::kDone ? "done" : "stopped early";
  save();
  records.result(text);
  if (records.steps() > 0)
    records.text(fmt::format(
        "time           {} training, {:.1f} % of it waiting for data, {:.2f} pairs/s",
        duration_text(records.train_seconds()),
        100 * records.data_seconds() / records.train_seconds(),
        static_cast<double>(records.steps() * setup.plan().train.batch) / records.train_seconds()));
  records.status(progress.ended, progress, stop, "");
  records.end(progress.ended, progress, stop);
  return end;
}

}  // namespace ktrain
