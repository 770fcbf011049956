#include "train/experiment/design.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "runtime/fault.h"
#include "train/experiment/table_reader.h"
#include "train/plan_scan.h"

namespace ktrain::experiment {
namespace {

namespace fs = std::filesystem;
constexpr double kMany = 1e6;

// Names become folders.
void check_name(const std::string& name, const std::string& place) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  if (name.empty() || name.size() > 64 || name[0] == '.' ||
      !std::all_of(name.begin(), name.end(), fine))
    throw_fault("KT-CFG-004",
                "{}: name '{}'; wanted up to 64 letters, digits, '_', '-' and '.', no '.' in front",
                place, printable(name));
}

void read_rule(TableReader table, Rule& rule) {
  table.number("alpha", rule.alpha, 1e-6, 0.5);
  table.number("power", rule.power, 0.01, 0.999);
  table.number("delta", rule.delta, 0, 1);
  table.number("tax", rule.tax, 0, 10);
  table.number("ap", rule.ap, 0, 1);
  table.number("recovered", rule.recovered, 0, 10);
  table.integer("look", rule.look, 2, kMany);
  table.integer("most_seeds", rule.most_seeds, 2, kMany);
  table.finish();
}

void read_roles(TableReader table, Roles& roles) {
  roles.poor = table.text("poor");
  roles.good = table.text("good");
  roles.baseline = table.text("baseline");
  roles.treatment = table.text("treatment");
  roles.remedy = table.text_or("remedy", "");
  roles.zero_line = table.text_or("zero_line", "");
  table.finish();
}

Quality read_quality(TableReader table) {
  Quality quality;
  quality.name = table.text("name");
  check_name(quality.name, table.place());
  quality.text = table.text_or("text", "");
  quality.set = table.texts_or("set", {});
  table.finish();
  return quality;
}

Arm read_arm(TableReader table, const Design& design) {
  Arm arm;
  arm.name = table.text("name");
  check_name(arm.name, table.place());
  arm.text = table.text_or("text", "");
  arm.set = table.texts_or("set", {});
  Strings all;
  for (const Quality& quality : design.qualities) all.push_back(quality.name);
  arm.qualities = table.texts_or("qualities", all);
  arm.seeds = static_cast<std::int64_t>(design.seeds.size());
  table.integer("seeds", arm.seeds, 1, static_cast<double>(design.seeds.size()));
  arm.loss = table.text_or("loss", "macl");
  double dose = -1;
  table.number("dose", dose, 0, kMany);
  if (dose >= 0) arm.dose = dose;
  const std::string expect = table.text_or("expect", "");
  if (expect == "alarm")
    arm.expect = Expect::kAlarm;
  else if (expect == "no alarm")
    arm.expect = Expect::kNoAlarm;
  else if (!expect.empty())
    throw_fault("KT-CFG-004", "{}: expect = '{}'; wanted \"alarm\" or \"no alarm\"", table.place(),
                printable(expect));
  table.finish();
  return arm;
}

template <class T>
const T* find_name(const std::vector<T>& list, const std::string& name) {
  const auto at = std::find_if(list.begin(), list.end(), [&](auto& x) { return x.name == name; });
  return at == list.end() ? nullptr : &*at;
}

template <class T>
void check_names(const std::vector<T>& list, const std::string& file, const char* what) {
  if (list.empty()) throw_fault("KT-CFG-008", "{}: no [[{}]]; wanted at least one", file, what);
  std::set<std::string> seen;
  for (const T& entry : list)
    if (!seen.insert(entry.name).second)
      throw_fault("KT-CFG-008", "{}: two [[{}]] named '{}'", file, what, entry.name);
}

// Names that the roles and arms use must be there, and the cells that the hypotheses compare, too.
void check_references(const Design& design) {
  check_names(design.qualities, design.file, "quality");
  check_names(design.arms, design.file, "arm");
  const auto check_quality = [&](const std::string& name, const std::string& where) {
    if (!find_name(design.qualities, name))
      throw_fault("KT-CFG-008", "{}: {} names quality '{}', which is not there", design.file, where,
                  printable(name));
  };
  for (const Arm& arm : design.arms)
    for (const std::string& name : arm.qualities) check_quality(name, "arm '" + arm.name + "'");
  const Roles& roles = design.roles;
  check_quality(roles.poor, "roles.poor");
  check_quality(roles.good, "roles.good");
  const auto check_arm = [&](const std::string& name, const char* role, Strings qualities) {
    const Arm* const arm = find_name(design.arms, name);
    if (!arm)
      throw_fault("KT-CFG-008", "{}: roles.{} names arm '{}', which is not there", design.file,
                  role, printable(name));
    for (const std::string& quality : qualities)
      if (std::find(arm->qualities.begin(), arm->qualities.end(), quality) == arm->qualities.end())
        throw_fault("KT-CFG-008", "{}: roles.{} needs arm '{}' under quality '{}'", design.file,
                    role, name, quality);
  };
  check_arm(roles.baseline, "baseline", {roles.poor, roles.good});
  check_arm(roles.treatment, "treatment", {roles.poor, roles.good});
  if (!roles.remedy.empty()) check_arm(roles.remedy, "remedy", {roles.poor});
  if (!roles.zero_line.empty()) check_arm(roles.zero_line, "zero_line", {});
}

void read_runs(TableReader table, Design& design) {
  const fs::path folder = fs::path(design.file).parent_path();
  design.warm = (folder / table.text("warm")).lexically_normal().string();
  design.arm = (folder / table.text("arm")).lexically_normal().string();
  design.seeds = table.integers("seeds");
  if (std::set(design.seeds.begin(), design.seeds.end()).size() != design.seeds.size() ||
      design.seeds.size() < 2 || design.seeds[0] < 0)
    throw_fault("KT-CFG-008", "{}: seeds must be two or more different numbers from 0 on",
                table.place());
  table.integer("from_step", design.from_step, 0, 1e12);
  design.groups = table.texts("groups");
  if (design.groups.empty() ||
      std::set(design.groups.begin(), design.groups.end()).size() != design.groups.size())
    throw_fault("KT-CFG-008", "{}: groups must be different names, at least one", table.place());
  table.finish();
}

std::string read_file(const std::string& file) {
  std::error_code error;
  std::ifstream in(file, std::ios::binary);
  if (!in || !fs::is_regular_file(file, error))
    throw_fault("KT-CFG-009", "{}: no such design; wanted a .cfg file", printable(file, 200));
  std::string text(kMostPlanBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

const Quality& Design::quality(const std::string& wanted) const {
  const Quality* const found = find_name(qualities, wanted);
  KT_CHECK(found, "design: no quality {}", wanted);
  return *found;
}

const Arm& Design::arm_named(const std::string& wanted) const {
  const Arm* const found = find_name(arms, wanted);
  KT_CHECK(found, "design: no arm {}", wanted);
  return *found;
}

Design parse_design(const std::string& text, const std::string& file) {
  const TableDocument document(text, file);
  TableReader table = document.root();
  Design design;
  design.file = file;
  design.text = text;
  design.name = table.text("name");
  check_name(design.name, table.place());
  design.title = table.text("title");
  design.deviations = table.texts_or("deviations", {});
  read_runs(table.table("runs"), design);
  read_roles(table.table("roles"), design.roles);
  read_rule(table.table("rule"), design.rule);
  for (TableReader& entry : table.tables("quality"))
    design.qualities.push_back(read_quality(std::move(entry)));
  for (TableReader& entry : table.tables("arm"))
    design.arms.push_back(read_arm(std::move(entry), design));
  table.finish();
  check_references(design);
  return design;
}

Design load_design(const std::string& file) { return parse_design(read_file(file), file); }

}  // namespace ktrain::experiment
