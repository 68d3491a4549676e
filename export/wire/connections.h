// The connection table of a batch: what is the same of all records of a connection at a point is sent once, in the
// order of first use; records refer to it. Private to export/wire; one thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "export/wire/columns.h"
#include "export/wire/past.h"

namespace hoptap::exporting {

/// A row of the connection columns: addresses and vantage are numbers in their tables.
struct ConnectionRow {
  std::uint32_t point = 0;
  std::uint64_t leg_id = 0;
  std::uint8_t transport = 6;
  std::uint32_t client_address = 0;
  std::uint16_t client_port = 0;
  std::uint32_t server_address = 0;
  std::uint16_t server_port = 0;
  std::uint32_t vantage = 0;
  std::uint32_t client_isn = 0;
  std::uint32_t server_isn = 0;
  std::uint32_t client_process = 0;  ///< one more than its number; 0: none
  std::uint32_t server_process = 0;
};

/// Takes and gives what HopRecord and LegRecord have of a connection.
template <class Record>
Connection connection_of(const Record& record) {
  return {record.point,   record.leg_id,     record.transport,  record.client,   record.server,
          record.vantage, record.client_isn, record.server_isn, record.processes};
}

template <class Record>
void set_connection(const Connection& connection, Record& record) {
  record.point = connection.point;
  record.leg_id = connection.leg_id;
  record.transport = connection.transport;
  record.client = connection.client;
  record.server = connection.server;
  record.vantage = connection.vantage;
  record.client_isn = connection.client_isn;
  record.server_isn = connection.server_isn;
  record.processes = connection.processes;
}

bool same_vantage(const flowtable::Vantage& left, const flowtable::Vantage& right);
bool same_processes(const flowtable::Processes& left, const flowtable::Processes& right);

class ConnectionWriter {
 public:
  /// The number of the record's connection, which is new when it is what size() was. Borrows the record.
  template <class Record>
  std::uint32_t find(const Record& record) {
    if (!connections_.empty() && is_of(record, connections_[last_])) return last_;
    const auto next = static_cast<std::uint32_t>(connections_.size());
    const auto [found, is_new] = numbers_.try_emplace(record.leg_id + record.point, next);
    last_ = found->second;
    if (is_new || !is_of(record, connections_[last_])) {
      found->second = last_ = next;
      connections_.push_back(connection_of(record));
    }
    return last_;
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(connections_.size()); }
  const Connection& operator[](std::uint32_t number) const { return connections_[number]; }

  std::uint32_t address_number(const base::IpAddress& address);
  /// The connection columns; "" without connections. Their addresses, vantages and processes are in the tables from now
  /// on.
  std::string columns();
  /// The tables of addresses, vantages and processes as fields of a RecordBatch.
  void append_tables(std::string& out) const { out += address_fields_ + vantage_fields_ + process_fields_; }

 private:
  template <class Record>
  static bool is_of(const Record& record, const Connection& connection) {
    return record.leg_id == connection.leg_id && record.point == connection.point &&
           record.transport == connection.transport && record.client_isn == connection.client_isn &&
           record.server_isn == connection.server_isn && record.client == connection.client &&
           record.server == connection.server && same_vantage(record.vantage, connection.vantage) &&
           same_processes(record.processes, connection.processes);
  }
  std::uint32_t vantage_number(const flowtable::Vantage& vantage);
  std::uint32_t process_number(const flowtable::Process* process);
  ConnectionRow row_of(const Connection& connection);

  std::vector<Connection> connections_;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> numbers_;  ///< the newest of a leg at a point
  std::uint32_t last_ = 0;
  boost::unordered_flat_map<std::string, std::uint32_t> addresses_;
  boost::unordered_flat_map<std::string, std::uint32_t> vantages_;
  boost::unordered_flat_map<std::string, std::uint32_t> processes_;
  std::string address_fields_;
  std::string vantage_fields_;
  std::string process_fields_;
};

/// RecordBatch.addresses; on trouble what came before it.
std::vector<base::IpAddress> read_addresses(const std::vector<std::string_view>& fields, Trouble& trouble);

/// The fields of a RecordBatch that make up its connections. Borrows the batch's bytes.
struct ConnectionFields {
  std::vector<std::string_view> vantages;
  std::vector<std::string_view> processes;
  std::string_view columns;
};

/// All connections; on trouble what came before it. Each has a point below `points`.
std::vector<Connection> read_connections(const ConnectionFields& fields, const std::vector<base::IpAddress>& addresses,
                                         std::size_t points, Trouble& trouble);

}  // namespace hoptap::exporting
