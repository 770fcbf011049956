#include "train/recovery/sweep.h"

#include "runtime/fault.h"
#include "train/checkpoint.h"
#include "train/load_weights.h"
#include "train/metrics/results.h"
#include "train/run_setup.h"

namespace ktrain {
namespace {

class Sweep {
 public:
  Sweep(const RecoveryNode& node, const LoadedPlans& plans, RunFolder& folder, Console& console)
      : node_(node),
        of_(plans.at(node.sweep->of)),
        on_(plans.at(node.sweep->on)),
        folder_(folder),
        console_(console),
        name_("sweep/" + node.name),
        file_(name_ + "/validations.jsonl") {}

  std::optional<Subject> run(const Recovery& recovery, const StopSignals& signals) {
    Subject out{.name = node_.name, .folder = folder_.path() + "/" + name_, .state = "swept"};
    std::vector<OrderedJson> lines = read_lines();
    for (std::int64_t epoch = node_.sweep->first; epoch <= node_.sweep->last; ++epoch) {
      const LoadedCheckpoint from = checkpoint(epoch);
      const auto at = static_cast<std::size_t>(epoch - node_.sweep->first);
      if (at >= lines.size() || lines[at]["hash"] != from.payload_hash() ||
          lines[at]["data_val"] != on_.val_hash) {
        lines.resize(at);
        const auto line = evaluate(from, epoch, signals);
        if (!line) return std::nullopt;
        lines.push_back(*line);
        write_lines(lines);
      }
    }
    for (const NumberedJson& line : read_json_lines(folder_.path() + "/" + file_))
      out.validations.push_back(record_of(line));
    out.best = best_index(out.validations, recovery.metric);
    KT_CHECK(out.best >= 0, "sweep {}: no validation has {}", node_.name, recovery.metric);
    const OrderedJson& best = lines[static_cast<std::size_t>(out.best)];
    out.checkpoint = best["checkpoint"];
    out.hash = best["hash"];
    out.train_hash = best["data_train"];
    out.val_hash = best["data_val"];
    return out;
  }

 private:
  LoadedCheckpoint checkpoint(std::int64_t epoch) const {
    const auto notice = [&](const std::string& line) { console_.text("notice    " + line); };
    auto from = take_checkpoint(real_file_system(), of_.folder + "/weights",
                                fmt::format("epoch_{}", epoch), notice);
    if (!from)
      throw_fault("KT-REC-002",
                  "{}/weights: no checkpoint of the end of epoch {}, which nodes.{} needs; the run "
                  "was made without train.keep_epochs: --fresh makes it again",
                  of_.folder, epoch, node_.name);
    return std::move(*from);
  }

  std::vector<OrderedJson> read_lines() const {
    std::vector<OrderedJson> out;
    for (const NumberedJson& line : read_json_lines(folder_.path() + "/" + file_)) {
      const bool whole = line.json.contains("hash") && line.json.contains("checkpoint") &&
                         line.json.contains("data_train") && line.json.contains("data_val");
      if (!whole) break;  // evaluated again
      out.emplace_back(line.json);
    }
    return out;
  }

  void write_lines(const std::vector<OrderedJson>& lines) {
    std::string text;
    for (const OrderedJson& line : lines) text += line.dump() + '\n';
    folder_.write(file_, text);
  }

  // Nothing when a signal came.
  std::optional<OrderedJson> evaluate(const LoadedCheckpoint& from, std::int64_t epoch,
                                      const StopSignals& signals) {
    if (!setup_)
      setup_.emplace(on_.resolved, [&](const std::string& line) { console_.text(line); });
    const InitPlan& init = on_.resolved.plan.init;
    LoadOptions options;
    options.allow_missing = init.allow_missing;
    options.allow_unexpected = init.allow_unexpected;
    (void)load_weights(from, setup_->training().parameters(), options);
    const auto found = setup_->detect([&] { return signals.pending() != 0; });
    if (!found) return std::nullopt;
    const Validation v = score(setup_->data().val, *found);
    const std::string at = fmt::format("{}/epoch_{:02}/", name_, epoch);
    folder_.write(at + "scores.json", validation_json(v) + "\n");
    folder_.write(at + "voc_table.txt", voc_text(v));
    folder_.write(at + "kaist.txt", kaist_text(v));
    metrics::write_kaist_results(folder_.path() + "/" + at + "detections.txt", *found);
    const metrics::VocClass& person = v.voc.classes[0];
    OrderedJson json = {
        {"kind", "validation"},         {"step", from.step()},        {"epoch", epoch},
        {"fingerprint", v.fingerprint}, {"gts", person.gts},          {"dets", person.dets},
        {"checkpoint", from.path()},    {"hash", from.payload_hash()}};
    json["data_train"] = from.metadata("data.train");
    json["data_val"] = setup_->data().val.index.manifest_hash();
    std::string values;
    for (const std::string_view name : kMetricNames)
      if (const auto value = v.metric(name)) {
        json[std::string(name)] = *value;
        values += fmt::format("  {} {:.4f}", name, *value);
      }
    console_.text(fmt::format("sweep     {} epoch {} on {}:{}", of_.entry->name, epoch,
                              on_.entry->name, values));
    console_.record(json.dump());
    return json;
  }

  ValidationRecord record_of(const NumberedJson& line) const {
    ValidationRecord v;
    v.epoch = line.json["epoch"];
    v.step = line.json["step"];
    v.log = fmt::format("{}/{}:{}", folder_.path(), file_, line.line);
    v.fingerprint = line.json["fingerprint"];
    v.gts = line.json["gts"];
    v.dets = line.json["dets"];
    for (const std::string_view name : kMetricNames)
      if (const auto found = line.json.find(name); found != line.json.end())
        v.metrics[std::string(name)] = *found;
    return v;
  }

  const RecoveryNode& node_;
  const LoadedPlan& of_;
  const LoadedPlan& on_;
  RunFolder& folder_;
  Console& console_;
  std::string name_, file_;
  std::optional<RunSetup> setup_;
};

}  // namespace

std::optional<Subject> sweep_checkpoints(const RecoveryNode& node, const LoadedPlans& plans,
                                         const Recovery& recovery, RunFolder& folder,
                                         Console& console, const StopSignals& signals) {
  return Sweep(node, plans, folder, console).run(recovery, signals);
}

}  // namespace ktrain
