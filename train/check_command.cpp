#include "train/check_command.h"

#include <ostream>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"

namespace ktrain {
namespace {

void write_text(const CheckOptions& options, const PairReport& report, std::ostream& out) {
  out << fmt::format("data      {} ({}, list '{}')\n", options.root.string(), options.source.layout,
                     options.source.list)
      << fmt::format("pairs     {} listed, {} usable, {} without a positive box\n", report.listed,
                     report.index.size(), report.empty)
      << fmt::format("boxes     {} positive, {} to ignore, {} clipped at the border\n",
                     report.positive, report.ignored, report.clipped);
  out << "classes  ";
  for (const auto& [label, count] : report.labels)
    out << fmt::format(" {} ({})", printable(label), count);
  out << fmt::format("\nmanifest  {}\n", report.index.manifest_hash());
  if (report.problems.empty()) {
    out << "problems  none\n";
    return;
  }
  out << fmt::format("problems  {}\n", report.problems.size());
  for (const DataProblem& problem : report.problems)
    out << fmt::format("  {}  {}\n", problem.id, problem.text);
}

void write_json(const CheckOptions& options, const PairReport& report, std::ostream& out) {
  nlohmann::ordered_json object = {
      {"root", printable(options.root.string(), 4096)},
      {"layout", options.source.layout},
      {"list", printable(options.source.list)},
      {"listed", report.listed},
      {"usable", report.index.size()},
      {"empty", report.empty},
      {"positive_boxes", report.positive},
      {"ignored_boxes", report.ignored},
      {"clipped_boxes", report.clipped},
      {"manifest", report.index.manifest_hash()},
  };
  object["classes"] = nlohmann::ordered_json::object();
  for (const auto& [label, count] : report.labels) object["classes"][printable(label)] = count;
  object["problems"] = nlohmann::ordered_json::array();
  for (const DataProblem& problem : report.problems)
    object["problems"].push_back({{"id", problem.id}, {"text", printable(problem.text, 1000)}});
  out << object.dump() << '\n';
}

}  // namespace

int run_check(const CheckOptions& options, std::ostream& out) {
  const DataFolder folder(options.root);
  const PairReport report = read_pairs(folder, options.source, /*whole_images=*/true);
  (options.json ? write_json : write_text)(options, report, out);
  return static_cast<int>(report.problems.empty() ? Exit::kDone : Exit::kData);
}

}  // namespace ktrain
