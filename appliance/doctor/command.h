// hoptap doctor: its options and what it does.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hoptap::appliance {

struct DoctorOptions {
  std::vector<std::string> interfaces;  ///< as the probe's --interface
  double listen_s = 0;                  ///< 0: does not listen
  std::string config;                   ///< of a probe, to be checked
  bool json = false;
};

CLI::App* add_doctor(CLI::App& app, DoctorOptions& options);

/// @return kDone, or kNothingFound when something does not work as it is
int run_doctor(const DoctorOptions& options);

}  // namespace hoptap::appliance
