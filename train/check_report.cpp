#include "train/check_report.h"

#include <algorithm>
#include <map>
#include <ostream>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kLine = 2000;
constexpr std::int64_t kWarningsOfAKind = 10;  // in the text; JSON has them all

std::string bins_text(const std::vector<Bin>& bins) {
  std::string text;
  for (const Bin& bin : bins) text += fmt::format("  {} ({})", bin.name, bin.count);
  return text;
}

std::string pixels_text(const PixelSums& sums) {
  return fmt::format("  mean {:.4f} {:.4f} {:.4f}  deviation {:.4f} {:.4f} {:.4f}  chroma {:.4f}",
                     sums.mean(0), sums.mean(1), sums.mean(2), sums.deviation(0), sums.deviation(1),
                     sums.deviation(2), sums.mean_chroma());
}

void write_problems(const std::vector<DataProblem>& problems, std::ostream& out) {
  for (const DataProblem& problem : problems)
    out << fmt::format("  {}  {}\n", problem.id, printable(problem.text, kLine));
}

void write_warnings(const std::vector<DataProblem>& warnings, std::ostream& out) {
  std::map<std::string, std::int64_t> kinds;
  for (const DataProblem& warning : warnings)
    if (++kinds[warning.id] <= kWarningsOfAKind)
      out << fmt::format("  {}  {}\n", warning.id, printable(warning.text, kLine));
  for (const auto& [id, count] : kinds)
    if (count > kWarningsOfAKind)
      out << fmt::format("  {}  and {} more; --json lists all\n", id, count - kWarningsOfAKind);
}

void write_list(const ListCheck& check, std::ostream& out) {
  const PairReport& report = check.report;
  out << fmt::format("list      '{}' ({})\n", printable(check.list), check.layout)
      << fmt::format("pairs     {} listed, {} sound, {} without a positive box\n", report.listed,
                     check.clean_lines().size(), report.empty)
      << fmt::format(
             "boxes     {} positive, {} to ignore, {} background, {} clipped at the border\n",
             report.positive, report.ignored, report.background, report.clipped)
      << "classes ";
  for (const auto& [label, count] : report.labels)
    out << fmt::format("  {} ({})", printable(label), count);
  out << fmt::format("\nheights {}\n", bins_text(check.heights))
      << fmt::format("per pair{}\n", bins_text(check.per_pair))
      << fmt::format("occluded{}\n", check.occlusion[1].count + check.occlusion[2].count > 0
                                         ? bins_text(check.occlusion)
                                         : "  no box is marked so")
      << fmt::format("sizes   {}\n", bins_text(check.sizes))
      << fmt::format("light   {}  by the visible image's mean, dark below {}\n",
                     bins_text(check.light), kDark);
  if (!check.groups.empty()) out << fmt::format("groups  {}\n", bins_text(check.groups));
  out << fmt::format("visible {}\n", pixels_text(check.visible))
      << fmt::format("thermal {}\n", pixels_text(check.thermal))
      << fmt::format("names     {}\n", report.list_hash())
      << fmt::format("manifest  {}\n", report.index.manifest_hash());
  out << fmt::format("warnings  {}\n", check.warnings.size());
  write_warnings(check.warnings, out);
  if (report.problems.empty())
    out << "problems  none\n";
  else
    out << fmt::format("problems  {}\n", report.problems.size());
  write_problems(report.problems, out);
}

Json bins_json(const std::vector<Bin>& bins) {
  Json object = Json::object();
  for (const Bin& bin : bins) object[bin.name] = bin.count;
  return object;
}

Json pixels_json(const PixelSums& sums) {
  return {{"mean", {sums.mean(0), sums.mean(1), sums.mean(2)}},
          {"deviation", {sums.deviation(0), sums.deviation(1), sums.deviation(2)}},
          {"chroma", sums.mean_chroma()}};
}

Json problems_json(const std::vector<DataProblem>& problems) {
  Json list = Json::array();
  for (const DataProblem& problem : problems)
    list.push_back({{"id", problem.id},
                    {"pair", printable(problem.pair, kLine)},
                    {"text", printable(problem.text, kLine)}});
  return list;
}

Json list_json(const ListCheck& check) {
  const PairReport& report = check.report;
  Json object = {
      {"layout", check.layout},
      {"list", printable(check.list)},
      {"listed", report.listed},
      {"sound", check.clean_lines().size()},
      {"positive_boxes", report.positive},
      {"ignored_boxes", report.ignored},
      {"background_boxes", report.background},
      {"clipped_boxes", report.clipped},
      {"names_sha256", report.list_hash()},
      {"manifest_sha256", report.index.manifest_hash()},
      {"heights", bins_json(check.heights)},
      {"boxes_per_pair", bins_json(check.per_pair)},
      {"occlusion", bins_json(check.occlusion)},
      {"sizes", bins_json(check.sizes)},
      {"light", bins_json(check.light)},
      {"groups", bins_json(check.groups)},
      {"visible", pixels_json(check.visible)},
      {"thermal", pixels_json(check.thermal)},
  };
  object["classes"] = Json::object();
  for (const auto& [label, count] : report.labels) object["classes"][printable(label)] = count;
  object["empty_pairs"] = Json::array();
  for (const std::string& id : check.empty) object["empty_pairs"].push_back(printable(id, kLine));
  object["warnings"] = problems_json(check.warnings);
  object["problems"] = problems_json(report.problems);
  return object;
}

}  // namespace

std::size_t CheckReport::num_problems() const {
  std::size_t count = overlap.problems.size();
  for (const ListCheck& check : lists) count += check.report.problems.size();
  return count;
}

std::size_t CheckReport::num_warnings() const {
  std::size_t count = overlap.warnings.size();
  for (const ListCheck& check : lists) count += check.warnings.size();
  return count;
}

void write_check_text(const CheckReport& report, std::ostream& out) {
  out << fmt::format("data      {}\n", printable(report.root.string(), kLine));
  for (const ListCheck& check : report.lists) write_list(check, out);
  if (report.lists.size() > 1) {
    out << fmt::format("overlap   {} problems, {} warnings\n", report.overlap.problems.size(),
                       report.overlap.warnings.size());
    write_problems(report.overlap.problems, out);
    write_warnings(report.overlap.warnings, out);
  }
}

void write_check_json(const CheckReport& report, std::ostream& out) {
  Json object = {{"root", printable(report.root.string(), 4096)},
                 {"num_problems", report.num_problems()},
                 {"num_warnings", report.num_warnings()}};
  object["lists"] = Json::array();
  for (const ListCheck& check : report.lists) object["lists"].push_back(list_json(check));
  object["overlap"] = {{"problems", problems_json(report.overlap.problems)},
                       {"warnings", problems_json(report.overlap.warnings)}};
  out << object.dump() << '\n';
}

}  // namespace ktrain
