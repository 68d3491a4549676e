#include "appliance/probe/memory_ceiling.h"

#include <fmt/format.h>

#include <algorithm>

#include "appliance/probe/interface_pattern.h"
#include "appliance/probe/live_worker.h"
#include "bpf-optional/head_tap.h"
#include "flowtable/flow_table.h"

namespace hoptap::appliance {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kProgramBytes = 48 * kMiB;  // code, gRPC, the batch that is put together
constexpr std::uint64_t kWorkerBytes = 12 * kMiB;   // fragments (8), duplicates, spare texts, its stack
constexpr std::uint64_t kFinderBytes = 48 * kMiB;   // of processes: sockets (2^16), the tables of /proc, a ring
constexpr double kPartMin = 0.02;                   // of the limits asked for: 10,000 connections of the default

std::size_t threads_of(const LiveInput& input) { return is_pattern(input) ? input.interfaces_max : input.workers; }

std::uint64_t ring_bytes(const ProbeConfig& config) {
  std::uint64_t bytes = 0;
  std::uint64_t queues = 0;
  for (const LiveInput& input : config.interfaces) {
    if (input.way == CaptureWay::kDpdk) {
      queues += input.workers;
    } else {
      const std::uint64_t asked = std::uint64_t{input.capture.block_bytes} * input.capture.block_count;
      bytes += threads_of(input) * (input.way == CaptureWay::kEbpf ? bpf::HeadTap::ring_bytes(asked) : asked);
    }
  }
  if (queues > 0) bytes += config.dpdk.memory_mib.value_or(64 + 16 * queues) * kMiB;
  return bytes;
}

std::size_t workers(const ProbeConfig& config) {
  std::size_t count = config.replay.size();
  for (const LiveInput& input : config.interfaces) count += threads_of(input);
  return count;
}

/// Of one worker: its table, and its records twice: at the worker, and with who gathers them.
std::uint64_t worker_bytes(const ProbeConfig& config) {
  const std::uint64_t records = config.records_max * sizeof(LiveRecord) + LiveWorker::kTextBytesMax;
  return kWorkerBytes + flowtable::memory_max(config.flows) + 2 * records;
}

/// Of what does not depend on the limits.
std::uint64_t program_bytes(const ProbeConfig& config) {
  return kProgramBytes + (config.processes != ProcessWay::kOff ? kFinderBytes : 0);
}

std::size_t cut(std::size_t limit, double part) {
  constexpr std::size_t kLeast = 16;  // as the configuration allows
  return std::max(kLeast, static_cast<std::size_t>(static_cast<double>(limit) * part));
}

}  // namespace

std::uint64_t memory_max(const ProbeConfig& config) {
  return program_bytes(config) + ring_bytes(config) + workers(config) * worker_bytes(config);
}

base::Outcome<void> fit_into_memory(ProbeConfig& config) {
  if (config.memory_bytes_max == 0 || memory_max(config) <= config.memory_bytes_max) return {};
  const std::uint64_t fixed =
      program_bytes(config) + ring_bytes(config) + workers(config) * (kWorkerBytes + 2 * LiveWorker::kTextBytesMax);
  const std::uint64_t shared = memory_max(config) - fixed;
  const double part = config.memory_bytes_max <= fixed
                          ? 0
                          : static_cast<double>(config.memory_bytes_max - fixed) / static_cast<double>(shared);
  if (part < kPartMin)
    return tl::unexpected(base::Failure{fmt::format(
        "limits: memory_mib: {} is too little: rings and workers ({}) take {} MiB; give at least {}, or smaller rings "
        "(ring_mib), fewer workers, or fewer interfaces (interfaces_max)",
        config.memory_bytes_max / kMiB, workers(config), fixed / kMiB,
        (fixed + cut(shared, 1.1 * kPartMin)) / kMiB + 1)});
  flowtable::FlowTableConfig& flows = config.flows;
  for (std::size_t* limit : {&flows.flows_max, &flows.ledgers_max, &flows.held_bytes_max, &flows.exchanges_max,
                             &flows.text_bytes_max, &config.records_max})
    *limit = cut(*limit, part);
  return {};
}

}  // namespace hoptap::appliance
