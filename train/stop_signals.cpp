#include "train/stop_signals.h"

#include <array>
#include <csignal>

#include "kernels/check.h"

namespace ktrain {
namespace {

volatile std::sig_atomic_t first_signal = 0;
volatile std::sig_atomic_t in_use = 0;

constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
std::array<struct sigaction, kSignals.size()> before;

extern "C" void remember_signal(int signal) {
  if (first_signal == 0) first_signal = signal;
}

}  // namespace

StopSignals::StopSignals() {
  KT_CHECK(in_use == 0, "stop signals: a second object");
  in_use = 1;
  first_signal = 0;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    const bool ask = kSignals[i] == SIGINT || kSignals[i] == SIGTERM;
    action.sa_handler = ask ? remember_signal : SIG_IGN;
    // The default, which ends the process, is back for the second Ctrl-C.
    action.sa_flags = SA_RESTART | (kSignals[i] == SIGINT ? static_cast<int>(SA_RESETHAND) : 0);
    ::sigaction(kSignals[i], &action, &before[i]);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before[i], nullptr);
  in_use = 0;
}

int StopSignals::pending() const { return first_signal; }

}  // namespace ktrain
