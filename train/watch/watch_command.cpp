#include "train/watch/watch_command.h"

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <thread>

#include <unistd.h>

#include "kernels/profile.h"
#include "runtime/fault.h"
#include "train/stop_signals.h"
#include "train/watch/screen.h"
#include "train/watch/watch_text.h"

namespace ktrain {
namespace {

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

class Watch {
 public:
  explicit Watch(const WatchOptions& options) : options_(options) {}

  Look look() {
    Look look{.root = options_.folder,
              .time = time_text(),
              .runs = {},
              .sessions = {},
              .archived = 0,
              .machine = {}};
    std::map<std::string, std::unique_ptr<RunView>> seen;
    for (const FoundRun& run : find_runs(options_.folder)) {
      if (run.archived) {
        ++look.archived;
        continue;
      }
      std::unique_ptr<RunView>& view = seen[run.path] = std::move(views_[run.path]);
      if (!view) view = std::make_unique<RunView>(run.path, options_.stall);
      RunState state = view->refresh();
      // One that went away between the finding and the reading has not crashed.
      if (!is_run_folder(run.path)) continue;
      look.runs.push_back({run, std::move(state)});
    }
    views_ = std::move(seen);
    look.sessions = find_sessions(options_.folder);
    look.machine = machine_.look();
    return look;
  }

 private:
  WatchOptions options_;
  Machine machine_;
  std::map<std::string, std::unique_ptr<RunView>> views_;
};

// False when a signal came.
bool wait(double seconds, const StopSignals& signals) {
  const double end = monotonic_seconds() + seconds;
  while (signals.pending() == 0) {
    const double left = end - monotonic_seconds();
    if (left <= 0) return true;
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(left, 0.05)));
  }
  return false;
}

}  // namespace

int run_watch(const WatchOptions& options, std::ostream& out) {
  std::error_code error;
  if (!std::filesystem::is_directory(options.folder, error) && !options.once)
    throw_fault("KT-CLI-001", "{}: no such folder; wanted one that holds runs, such as runs",
                printable(options.folder, 200));
  Watch watch(options);
  const bool terminal = &out == &std::cout && ::isatty(STDOUT_FILENO) == 1;
  const bool color = terminal && std::getenv("NO_COLOR") == nullptr;
  if (options.once) {
    const Look look = watch.look();
    if (options.json) {
      out << look_json(look) << '\n';
    } else {
      for (const std::string& line : look_text(look, color)) out << line << '\n';
    }
    return look.exit_code();
  }
  const StopSignals signals;
  {
    Screen screen(out, terminal && !options.json);
    do {
      const Look look = watch.look();
      screen.show(options.json ? std::vector{look_json(look)} : look_text(look, color));
    } while (out && wait(options.interval, signals));
  }
  if (signals.pending() == 0)
    throw_fault("KT-IO-001", "standard output: cannot be written, so nobody is watching");
  return static_cast<int>(Exit::kInterrupted);
}

}  // namespace ktrain
