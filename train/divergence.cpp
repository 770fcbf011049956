#include "train/divergence.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "train/read_text.h"

namespace ktrain {

bool is_divergence(std::string_view id) {
  constexpr std::array<std::string_view, 4> kIds = {"KT-NUM-001", "KT-NUM-003", "KT-NUM-020",
                                                    "KT-NUM-021"};
  return std::find(kIds.begin(), kIds.end(), id) != kIds.end();
}

std::string divergence_of(const std::string& folder) {
  const auto status =
      nlohmann::json::parse(read_text(folder + "/STATUS"), nullptr, /*allow_exceptions=*/false);
  const auto word = [&](const char* key) {
    const auto found = status.is_object() ? status.find(key) : status.end();
    return found != status.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const std::string message = word("message");
  const bool diverged =
      word("state") == "failed" && is_divergence(message.substr(0, message.find(':')));
  return diverged ? message : "";
}

}  // namespace ktrain
