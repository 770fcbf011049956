// Ctrl-C and SIGTERM ask a run to finish its step, save and leave.
#pragma once

namespace ktrain {

// While an object lives: SIGINT and SIGTERM are remembered instead of ending the process; a second
// SIGINT ends it at once; SIGHUP and SIGPIPE (a terminal or a reader that went away) are ignored.
// At most one object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // 0, SIGINT or SIGTERM: the first that came.
  [[nodiscard]] int pending() const;
};

}  // namespace ktrain
