#include <nlohmann/json.hpp>

#include "runtime/sha256.h"
#include "train/experiment/report.h"

namespace ktrain::experiment {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::optional<MeanInterval>& x) {
  if (!x) return nullptr;
  return {{"n", x->n}, {"mean", x->mean}, {"sd", x->sd}, {"lo", x->lo}, {"hi", x->hi}};
}

Json json_of(const ArmSummary& arm) {
  return {{"quality", arm.quality},
          {"arm", arm.arm},
          {"planned", arm.planned},
          {"done", arm.done},
          {"failed", arm.failed},
          {"map", json_of(arm.map)},
          {"change", json_of(arm.change)},
          {"xcos", json_of(arm.xcos)},
          {"tax", json_of(arm.tax)},
          {"held_out", json_of(arm.held_out)},
          {"clip", json_of(arm.clip)},
          {"drift", json_of(arm.drift)},
          {"warned", arm.warned},
          {"alarmed", arm.alarmed},
          {"groups_off_zero", arm.groups_off_zero},
          {"groups", arm.groups}};
}

}  // namespace

std::string analysis_json(const Design& design, const Analysis& analysis) {
  Json json = {{"kind", "experiment"},
               {"name", design.name},
               {"design", sha256_hex(design.text)},
               {"runs", analysis.runs.all},
               {"done", analysis.runs.done},
               {"failed", analysis.runs.failed},
               {"verdict", verdict_name(analysis.verdict)},
               {"reason", analysis.reason},
               {"hypotheses", Json::array()},
               {"arms", Json::array()},
               {"groups", Json::array()}};
  for (const Hypothesis& h : analysis.hypotheses)
    json["hypotheses"].push_back({{"id", h.id},
                                  {"p", h.p},
                                  {"adjusted", h.adjusted},
                                  {"conditions", h.conditions},
                                  {"supported", h.supported},
                                  {"evidence", h.evidence}});
  for (const ArmSummary& arm : analysis.arms) json["arms"].push_back(json_of(arm));
  for (const GroupSummary& group : analysis.groups)
    json["groups"].push_back({{"group", group.group},
                              {"poor", json_of(group.poor)},
                              {"good", json_of(group.good)},
                              {"step", json_of(group.step)},
                              {"below_noise", group.below_noise}});
  return json.dump();
}

}  // namespace ktrain::experiment
