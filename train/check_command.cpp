#include "train/check_command.h"

#include <algorithm>
#include <ostream>
#include <thread>

#include <fmt/ranges.h>

#include "data/presets.h"
#include "runtime/fault.h"
#include "train/check_report.h"
#include "train/file_system.h"
#include "train/nearest.h"
#include "train/plan_data.h"
#include "train/plan_load.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;

// What is to be checked, after plan and command line are understood.
struct Work {
  fs::path root;
  std::vector<PairSource> lists;
};

Work from_plan(const CheckOptions& options) {
  if (!options.lists.empty())
    throw_fault("KT-CLI-001", "check {}: the plan names its lists; --list goes with a folder",
                printable(options.root.string(), 200));
  const ResolvedPlan resolved = load_plan(options.root.string());
  const DataPlan& data = resolved.plan.data;
  if (data.root.empty())
    throw_fault("KT-CFG-008", "data.root ({}): empty; wanted the folder of the data set",
                resolved.origin_of("data.root"));
  Work work = {data.root, {}};
  const auto add = [&](const PairSource& source) {
    // One list for two uses is the plan's decision, and a run says so; it is checked once.
    for (const PairSource& other : work.lists)
      if (other.list == source.list) return;
    work.lists.push_back(source);
  };
  add(pair_source(data, "train"));
  add(pair_source(data, "val"));
  if (!data.test.empty()) add(pair_source(data, "test"));
  return work;
}

Work from_folder(const CheckOptions& options) {
  const std::vector<std::string_view> names = preset_names();
  const std::string& layout = options.source.layout;
  if (std::find(names.begin(), names.end(), layout) == names.end())
    throw_fault("KT-CLI-001", "--layout: no layout '{}'; wanted one of {}{}", printable(layout),
                fmt::join(names, ", "), did_you_mean(layout, names));
  Work work = {options.root, {}};
  for (const std::string& list : options.lists) {
    work.lists.push_back(options.source);
    work.lists.back().list = list;
  }
  // Without a list: the layout's own training list.
  if (work.lists.empty()) {
    work.lists.push_back(options.source);
    work.lists.back().list = list_or_own(find_preset(layout), "train", "");
  }
  return work;
}

void check_can_write(const CheckOptions& options, const Work& work) {
  if (options.write_list.empty()) return;
  const std::string name = printable(options.write_list.string(), 200);
  if (work.lists.size() != 1)
    throw_fault("KT-CLI-001", "--write-list {}: {} lists are checked, wanted one", name,
                work.lists.size());
  if (work.lists[0].layout == "coco")
    throw_fault("KT-CLI-001",
                "--write-list {}: layout coco has no list files; take the pairs out of the JSON "
                "file",
                name);
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(options.write_list, ignored)))
    throw_fault("KT-CLI-001", "--write-list {}: is there already, and nothing is overwritten",
                name);
}

// A new file; its name is taken only when all of it is written.
void write_clean_list(const fs::path& path, const ListCheck& check) {
  std::string text;
  for (const std::string& line : check.clean_lines()) text += line + "\n";
  FileSystem& files = real_file_system();
  const std::string temporary = path.string() + ".new";
  try {
    OpenFile file(files, files.create(temporary));
    file.write(text.data(), text.size());
    files.sync(file.get());
    file.close();
    files.rename_new(temporary, path.string());
  } catch (const IoError& error) {
    if (error.code() != EEXIST) try_remove(files, temporary);
    throw_fault("KT-IO-001", "--write-list: {}", printable(error.what(), 300));
  }
}

}  // namespace

int run_check(const CheckOptions& options, std::ostream& out) {
  const Work work = options.root.extension() == ".cfg" ? from_plan(options) : from_folder(options);
  check_can_write(options, work);
  const DataFolder folder(work.root);
  const int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  CheckReport report;
  report.root = work.root;
  for (PairSource source : work.lists) {
    source.skip_empty = false;  // an empty pair is not a bad one
    report.lists.push_back(check_list(folder, source, threads));
  }
  for (std::size_t a = 0; a < report.lists.size(); ++a)
    for (std::size_t b = a + 1; b < report.lists.size(); ++b) {
      const ListOverlap overlap = compare_lists(report.lists[a], report.lists[b]);
      const auto append = [](std::vector<DataProblem>& to, const std::vector<DataProblem>& from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      append(report.overlap.problems, overlap.problems);
      append(report.overlap.warnings, overlap.warnings);
    }
  (options.json ? write_check_json : write_check_text)(report, out);
  if (!options.write_list.empty()) {
    write_clean_list(options.write_list, report.lists[0]);
    if (!options.json)
      out << fmt::format("written   {}: the {} sound pairs\n",
                         printable(options.write_list.string(), 200),
                         report.lists[0].clean_lines().size());
  }
  return static_cast<int>(report.num_problems() == 0 ? Exit::kDone : Exit::kData);
}

}  // namespace ktrain
