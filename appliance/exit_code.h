// What hoptap's exit codes mean; `hoptap --help` lists the same.
#pragma once

#include <string>

namespace hoptap::appliance {

enum ExitCode : int {
  kDone = 0,          ///< the captures were analysed, whatever the verdict, or made
  kNothingFound = 1,  ///< no request in any capture (after the filter), nothing the tracer knows
  kWrongUsage = 2,    ///< options that make no sense, a scenario or configuration that makes none
  kCannotRead = 3,    ///< a file cannot be opened, a capture is none
  kCannotWrite = 4,   ///< output, temporary files, spool or database cannot be written; not all was delivered
  kCannotReach = 5,   ///< no tracer answers, or it cannot
};

/// Says on standard error what went wrong. @return `code`
int fail(int code, const std::string& what);

}  // namespace hoptap::appliance
