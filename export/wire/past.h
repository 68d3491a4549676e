// What the rows so far let a reader expect of the next one. Kept alike by writer and reader. Private to export/wire.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "export/wire/tables.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

/// What is the same of all records of a connection at a point.
struct Connection {
  std::uint32_t point = 0;
  std::uint64_t leg_id = 0;
  std::uint8_t transport = 6;
  base::Endpoint client;
  base::Endpoint server;
  flowtable::Vantage vantage;
  std::uint32_t client_isn = 0;
  std::uint32_t server_isn = 0;
  flowtable::Processes processes;
};

/// One direction of a connection, after its last message.
struct WayPast {
  bool seen = false;
  std::uint8_t ttl = 0;
  std::uint16_t ip_id = 0;
  std::uint32_t next_sequence = 0;
  std::uint32_t tsval = 0;
  std::uint64_t time_ns = 0;  ///< when that tsval passed
  std::uint64_t bytes = 0;
  std::uint64_t bytes_sum = 0;
};

struct ConnectionPast {
  WayPast to_server;
  WayPast to_client;
  std::uint64_t exchanges = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
};

/// Of columns whose next value is near the one before.
struct RowPast {
  std::uint64_t time_ns = 0;
  std::uint32_t flags = 0;
  std::uint32_t status = 0;
  bool has_status = false;
  std::uint8_t request_ttl = 0;
  std::uint8_t response_ttl = 0;
  Entry protocol = 0;
  Entry method = 0;
  Entry resource = 0;
  Entry endpoint = 0;
  Entry id_value = 0;
  Entry request_hash = 0;
  Entry response_hash = 0;
};

struct LegPast {
  std::uint64_t time_ns = 0;
  std::uint32_t flags = 0;
  Entry protocol = 0;
  Entry syn_fingerprint = 0;
  std::array<std::uint64_t, 2> packets{};
  std::array<std::uint8_t, 2> ttl{};
};

struct BatchPast {
  RowPast row;
  LegPast leg;
  std::vector<ConnectionPast> connections;
  std::uint64_t connection = UINT64_MAX;      ///< of the row before
  std::vector<std::uint64_t> next_record_id;  ///< by point
};

}  // namespace hoptap::exporting
