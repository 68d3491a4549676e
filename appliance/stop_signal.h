// SIGINT and SIGTERM as a word to the program to end. For daemons and long work.
#pragma once

namespace hoptap::appliance {

/// From now on the two signals set a flag instead of killing the process; a second one kills it.
void catch_stop_signals();

/// True when one has come.
bool stop_wanted();

}  // namespace hoptap::appliance
