// Records of drift as lines for programs and tables for people.
#include <cmath>

#include <nlohmann/json.hpp>

#include "train/monitor/drift.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;

void put(Json& json, const char* key, const std::optional<double>& value) {
  if (value) json[key] = *value;
}

std::string text(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "-";
}

bool is_of(const LayerDrift& layer, const std::string& group) {
  return layer.layer.starts_with(group + ".");
}

}  // namespace

std::string drift_json(const DriftRecord& record) {
  Json json = {{"kind", "drift"},
               {"step", record.step},
               {"epoch", record.epoch},
               {"reference", record.reference},
               {"anchors", record.anchors}};
  Json& layers = json["layers"] = Json::object();
  for (const LayerDrift& layer : record.layers) {
    Json& out = layers[layer.layer] = Json::object();
    put(out, "z95", layer.z95);
    put(out, "r95", layer.r95);
    put(out, "kl50", layer.kl50);
    put(out, "kl95", layer.kl95);
    out["channels"] = layer.channels;
    out["still"] = layer.still;
    out["top"] = layer.top;
  }
  Json& groups = json["groups"] = Json::object();
  for (const GroupDrift& group : record.groups) {
    Json& out = groups[group.group] = Json::object();
    put(out, "cka", group.cka);
    put(out, "proc", group.proc);
    put(out, "erank", group.erank);
    put(out, "erank_ref", group.erank_ref);
    put(out, "dw", group.dw);
  }
  json["seconds"] = record.seconds;
  return json.dump();
}

std::string embedding_json(const EmbeddingRecord& record) {
  Json json = {{"kind", "embedding"},     {"step", record.step},   {"epoch", record.epoch},
               {"source", record.source}, {"boxes", record.boxes}, {"align", record.align},
               {"unif", record.unif},     {"gap", record.gap}};
  put(json, "auc", record.auc);
  put(json, "fnr", record.fnr);
  put(json, "qage", record.qage);
  return json.dump();
}

std::string drift_table(const DriftRecord& record) {
  std::string out =
      fmt::format("{:<16} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}  {}\n", "group", "z95",
                  "r95", "kl50", "kl95", "cka", "proc", "erank", "dw", "layer of the largest kl95");
  for (const GroupDrift& group : record.groups) {
    const LayerDrift* worst = nullptr;
    for (const LayerDrift& layer : record.layers)
      if (is_of(layer, group.group) && layer.kl95 &&
          (worst == nullptr || *layer.kl95 > *worst->kl95))
        worst = &layer;
    const auto of_worst = [&](std::optional<double> LayerDrift::*value) {
      return worst == nullptr ? "-" : text(worst->*value);
    };
    out += fmt::format("{:<16} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}  {}\n", group.group,
                       of_worst(&LayerDrift::z95), of_worst(&LayerDrift::r95),
                       of_worst(&LayerDrift::kl50), of_worst(&LayerDrift::kl95), text(group.cka),
                       text(group.proc), group.erank ? fmt::format("{:.2f}", *group.erank) : "-",
                       text(group.dw), worst == nullptr ? "" : worst->layer);
  }
  return out;
}

std::string embedding_table(const EmbeddingRecord& record) {
  return fmt::format(
      "embedding of {} boxes ({}): align {:.4f}, unif {:.4f}, gap {:.4f}, modality AUC {}\n",
      record.boxes,
      record.source == "roi" ? "RoI features before fusion" : "projections of " + record.source,
      record.align, record.unif, record.gap, text(record.auc));
}

}  // namespace ktrain
