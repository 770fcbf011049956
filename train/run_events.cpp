#include "train/run_events.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "train/pair_picture.h"
#include "train/validation.h"

namespace ktrain {
namespace {

constexpr std::int64_t kPairs = 4;
constexpr double kShownScore = 0.3;

}  // namespace

bool event_scalars(const std::string& line, std::int64_t& step, std::vector<EventScalar>& scalars) {
  const auto json = nlohmann::ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer())
    return false;
  step = json["step"].get<std::int64_t>();
  const auto kind = json.find("kind");
  const std::string prefix =
      kind != json.end() && kind->is_string() ? kind->get<std::string>() + "/" : std::string();
  scalars.clear();
  for (const auto& [key, value] : json.items())
    if (value.is_number() && key != "step") scalars.push_back({prefix + key, value.get<double>()});
  return true;
}

std::vector<std::int64_t> pairs_to_show(std::span<const metrics::ImageTruth> truth,
                                        std::int64_t most) {
  std::vector<std::int64_t> peopled;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto& targets = truth[i].targets;
    if (std::any_of(targets.begin(), targets.end(), [](const auto& t) { return !t.ignore; }))
      peopled.push_back(static_cast<std::int64_t>(i));
  }
  const auto size = static_cast<std::int64_t>(peopled.size());
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < std::min(most, size); ++i)
    out.push_back(peopled[static_cast<std::size_t>(i * size / std::min(most, size))]);
  return out;
}

RunEvents::RunEvents(const std::string& folder, std::int64_t first_step, const std::string& log,
                     const Notice& notice)
    : file_(folder + "/tb", first_step, notice) {
  std::istringstream lines(log);
  std::vector<EventScalar> scalars;
  std::int64_t step = 0;
  for (std::string text; std::getline(lines, text);)
    if (event_scalars(text, step, scalars) && step >= first_step) file_.scalars(step, scalars);
}

void RunEvents::line(const std::string& json) {
  std::vector<EventScalar> scalars;
  std::int64_t step = 0;
  if (event_scalars(json, step, scalars)) file_.scalars(step, scalars);
}

void RunEvents::pairs(std::int64_t step, const DataSet& data,
                      std::span<const metrics::Detections> found) {
  const auto truth = truth_of(data.val.index);
  for (const std::int64_t i : pairs_to_show(truth, kPairs)) {
    const auto place = static_cast<std::size_t>(i);
    const auto& pair = data.val.index[i];
    file_.image(step, "validation/" + pair.id,
                draw_pair(read_pair_image(*data.folder, pair.visible),
                          read_pair_image(*data.folder, pair.thermal), truth[place], found[place],
                          kShownScore));
  }
}

}  // namespace ktrain
