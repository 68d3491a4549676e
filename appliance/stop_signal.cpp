#include "appliance/stop_signal.h"

#include <csignal>
#include <ctime>

namespace hoptap::appliance {
namespace {

volatile std::sig_atomic_t wanted = 0;
volatile std::time_t wanted_since_s = 0;

/// timeout(1) sends two at once, to the process and to its group: they are one wish. A later one ends at once.
extern "C" void take_stop_signal(int signal) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  if (wanted == 0) {
    wanted = 1;
    wanted_since_s = now.tv_sec;
  } else if (now.tv_sec > wanted_since_s + 1) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = take_stop_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup(1) has it ignored
}

bool stop_wanted() { return wanted != 0; }

}  // namespace hoptap::appliance
