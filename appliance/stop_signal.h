// SIGINT, SIGTERM and SIGHUP as a word to the program to end. For daemons and long work.
#pragma once

namespace hoptap::appliance {

/// From now on these signals set a flag instead of killing the process; the same one again kills it.
void catch_stop_signals();

/// True when one has come.
bool stop_wanted();

}  // namespace hoptap::appliance
