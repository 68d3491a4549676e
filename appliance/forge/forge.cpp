#include "appliance/forge/forge.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#include "appliance/forge/gateway.h"
#include "appliance/forge/traffic.h"
#include "appliance/yaml/section.h"

namespace hoptap::forge {

using appliance::YamlError;
namespace {

/// Captures that an earlier run with other points has left would be taken for this one's.
void refuse_other_captures(const std::filesystem::path& captures, const std::vector<Point*>& points) {
  std::set<std::string> ours;
  for (const Point* point : points) ours.insert(PathModel::file_name(point->index(), point->plan().name));
  for (const auto& entry : std::filesystem::directory_iterator(captures))
    if (const std::string name = entry.path().filename().string();
        entry.path().extension() == ".pcap" && !ours.contains(name))
      throw std::runtime_error(
          fmt::format("{} already holds {}, which is not of this scenario; remove it or choose another folder",
                      captures.string(), name));
}

ForgeResult simulate(const Scenario& scenario, const std::filesystem::path& folder, std::uint64_t seed,
                     const ForgeProgress& progress) {
  const std::filesystem::path captures = folder / "captures";
  std::filesystem::create_directories(captures);
  PathModel path(scenario, captures.string(), seed);
  refuse_other_captures(captures, path.points());
  for (Point* point : path.points()) point->open();
  TruthWriter truth((folder / "truth.jsonl").string(), path.points());
  World world(scenario, path, seed);
  Server server(world);
  std::vector<std::unique_ptr<Gateway>> gateways(path.gateways().size());
  Program* next = &server;
  for (std::size_t n = gateways.size(); n-- > 0;) {
    gateways[n] = std::make_unique<Gateway>(world, n, *path.gateways()[n], *next);
    next = &gateways[n]->front();
  }
  Traffic traffic(world, *next, truth);
  traffic.start();
  constexpr std::uint64_t kEventsPerLook = 4096;
  bool closed = false;
  for (std::uint64_t events = 1; world.queue.step(); ++events) {
    if (!closed && traffic.finished() == scenario.traffic.requests) {
      for (const auto& gateway : gateways) gateway->close_idle();
      closed = true;
    }
    if (events % kEventsPerLook != 0) continue;
    world.free_some();
    progress(static_cast<double>(traffic.finished()) / scenario.traffic.requests);
  }
  path.close();
  truth.finish(scenario, seed);
  ForgeResult result{.requests = scenario.traffic.requests, .captures = path.points().size()};
  for (const Point* point : path.points()) result.records += point->records();
  return result;
}

}  // namespace

tl::expected<ForgeResult, ForgeFailure> run_scenario(const Scenario& scenario, const std::string& file,
                                                     const std::string& folder, std::uint64_t seed,
                                                     const ForgeProgress& progress) {
  try {
    return simulate(scenario, folder, seed, progress);
  } catch (const YamlError& error) {
    const std::string place = error.line() > 0 ? fmt::format("{}:{}", file, error.line()) : file;
    return tl::unexpected(ForgeFailure{.scenario_is_wrong = true, .what = fmt::format("{}: {}", place, error.what())});
  } catch (const std::filesystem::filesystem_error& error) {
    return tl::unexpected(ForgeFailure{.scenario_is_wrong = false,
                                       .what = fmt::format("{}: {}", error.path1().string(), error.code().message())});
  } catch (const std::runtime_error& error) {  // also std::system_error
    return tl::unexpected(ForgeFailure{.scenario_is_wrong = false, .what = error.what()});
  }
}

}  // namespace hoptap::forge
