#include "appliance/stop_signal.h"

#include <csignal>

namespace hoptap::appliance {
namespace {

volatile std::sig_atomic_t wanted = 0;

extern "C" void take_stop_signal(int) { wanted = 1; }

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = take_stop_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup(1) has it ignored
}

bool stop_wanted() { return wanted != 0; }

}  // namespace hoptap::appliance
