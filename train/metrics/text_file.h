// Whole files in and out, with the messages of `ktrain eval`.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace ktrain::metrics {

// Throws Fault KT-EVAL-005 when there is no such file or it cannot be read.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

// Throws Fault KT-IO-001.
void write_text(const std::filesystem::path& path, std::string_view text);

// Throws Fault `id` with file:line:column of the first error.
[[nodiscard]] nlohmann::json parse_json(std::string_view text, const std::string& path,
                                        std::string_view id);

}  // namespace ktrain::metrics
