// hoptap probe: its options and what it does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hoptap::appliance {

struct ProbeOptions {
  std::string config;                   ///< a YAML file; "": defaults
  std::vector<std::string> interfaces;  ///< [NETNS/]INTERFACE[=POINT[:ROLE[:ORDER]]], beside those of the file
  std::vector<std::string> eal;         ///< arguments of DPDK, several in one with spaces between them
  std::vector<std::string> replay;      ///< FILE[=POINT[:ROLE[:ORDER]]], beside those of the file
  std::optional<double> speed;          ///< of the replay; nothing: the file's
  std::string name;
  std::string tracer;          ///< address
  std::string spool;           ///< folder
  std::string ca;              ///< PEM file: the tracer is spoken to over TLS
  std::string metrics_listen;  ///< address to serve /metrics at
  std::string filter;
  std::vector<std::uint16_t> vxlan_ports;
  std::string progress = "auto";
  std::optional<double> wait_s;  ///< for the tracer at the end; nothing: for ever
  bool check = false;
  bool example = false;
};

CLI::App* add_probe(CLI::App& app, ProbeOptions& options);

/// Reads, delivers and ends. @return an ExitCode
int run_probe(const ProbeOptions& options);

}  // namespace hoptap::appliance
