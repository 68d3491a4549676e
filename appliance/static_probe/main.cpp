// hoptap-probe: `hoptap probe` alone, as one static file for hosts that are too old for anything else. See
// docs/legacy.md.
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "appliance/exit_code.h"
#include "appliance/probe/command.h"

namespace hoptap::appliance {
namespace {

/// The command teaches with examples that begin with `hoptap probe`: here that is the program.
std::string about(std::string text) {
  constexpr std::string_view kCommand = "hoptap probe", kProgram = "hoptap-probe";
  for (std::size_t at = 0; (at = text.find(kCommand, at)) != std::string::npos; at += kProgram.size())
    text.replace(at, kCommand.size(), kProgram);
  return text +
         "\n"
         "This is the probe alone, in one file that needs no library: for Linux 3.10 and later, any distribution.\n"
         "Names of hosts are looked up in /etc/hosts, then by DNS; an address in numbers always works.\n"
         "\n"
         "Exit codes: 0 done; 1 no request found; 2 wrong usage or configuration; 3 a file cannot be read;\n"
         "4 the spool cannot be written, or not all was delivered.\n";
}

/// TLS and gRPC begin with random numbers, and abort where they find none. Before Linux 3.17 only the device gives
/// them.
bool has_random_numbers() {
  char byte = 0;
  return ::getrandom(&byte, 1, GRND_NONBLOCK) == 1 || ::access("/dev/urandom", R_OK) == 0;
}

int run(int count, char** arguments) {
  CLI::App app;
  ProbeOptions options;
  CLI::App* probe = add_probe(app, options);
  probe->name("hoptap-probe");
  probe->description(about(probe->get_description()));
  probe->set_version_flag("--version", "hoptap-probe " HOPTAP_VERSION);
  try {
    probe->parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return probe->exit(error) == 0 ? kDone : kWrongUsage;
  }
  if (!has_random_numbers() && !options.check && !options.example)
    return fail(kCannotRead, "/dev/urandom cannot be read, and this kernel has no getrandom() to take its place");
  return run_probe(options);
}

}  // namespace
}  // namespace hoptap::appliance

int main(int count, char** arguments) {
  return hoptap::appliance::run_main("hoptap-probe", hoptap::appliance::run, count, arguments);
}
