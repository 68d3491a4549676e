#include "appliance/options.h"

#include <algorithm>

namespace hoptap::appliance {

base::Outcome<void> CaptureOptions::check() const {
  if (filter.empty()) return {};
  const auto compiled = capture::PacketFilter::compile(filter);
  if (!compiled) return tl::unexpected(compiled.error());
  return {};
}

ReplayConfig CaptureOptions::replay_config() const {
  ReplayConfig config;
  config.filter = filter;
  config.decode.vxlan_ports.insert(config.decode.vxlan_ports.end(), vxlan_ports.begin(), vxlan_ports.end());
  const auto& sources = stamp_sources();
  const auto source = std::find(sources.begin(), sources.end(), time);
  const auto stamps = static_cast<decode::StampSource>(source == sources.end() ? 0 : source - sources.begin());
  config.feeds.assign(files.size(), {.mirrors = {}, .stamps = stamps});
  return config;
}

Progress::When CaptureOptions::progress_when() const { return Progress::when_of(progress); }

}  // namespace hoptap::appliance
