// What hoptap's exit codes mean; `hoptap --help` and docs/formats/path-json.md list the same.
#pragma once

namespace hoptap::appliance {

enum ExitCode : int {
  kDone = 0,          ///< the captures were analysed, whatever the verdict
  kNothingFound = 1,  ///< no request in any capture (after the filter)
  kWrongUsage = 2,    ///< options that make no sense
  kCannotRead = 3,    ///< a capture cannot be opened or is none
  kCannotWrite = 4,   ///< output or temporary files cannot be written
};

}  // namespace hoptap::appliance
