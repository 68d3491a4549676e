#include "export/wire/connections.h"

#include <records.pb.h>

#include <algorithm>

#include "export/wire/batch.h"

namespace hoptap::exporting {
namespace {

constexpr std::size_t kVantageBytesMax = 16u << 10;
constexpr std::size_t kProcessBytesMax = 4u << 10;
constexpr std::size_t kAddressesMax = 8 * batch_limit::kRecords;

template <class Columns, class Row>
void visit_row(Columns& columns, Row& row, const ConnectionRow& before) {
  using Number = hoptap::v1::ConnectionColumns;
  columns.difference(Number::kPointFieldNumber, row.point, before.point);
  columns.fixed(Number::kLegIdFieldNumber, row.leg_id);
  columns.difference(Number::kTransportFieldNumber, row.transport, before.transport);
  columns.difference(Number::kClientAddressFieldNumber, row.client_address, before.client_address);
  columns.difference(Number::kClientPortFieldNumber, row.client_port, before.client_port);
  columns.difference(Number::kServerAddressFieldNumber, row.server_address, before.server_address);
  columns.difference(Number::kServerPortFieldNumber, row.server_port, before.server_port);
  columns.difference(Number::kVantageFieldNumber, row.vantage, before.vantage);
  columns.difference(Number::kClientIsnFieldNumber, row.client_isn, before.client_isn);
  columns.difference(Number::kServerIsnFieldNumber, row.server_isn, before.server_isn);
  columns.plain(Number::kClientProcessFieldNumber, row.client_process);
  columns.plain(Number::kServerProcessFieldNumber, row.server_process);
  columns.next_row();
}

template <std::size_t kSize>
std::string text_of(const std::array<std::uint8_t, kSize>& bytes) {
  return std::string(base::as_text(bytes));
}

void put_mac(const base::MacAddress& mac, std::string& field) {
  if (mac != base::MacAddress{}) field = text_of(mac.bytes);
}

bool take_mac(const std::string& field, base::MacAddress& mac) {
  if (!field.empty() && field.size() != mac.bytes.size()) return false;
  std::copy(field.begin(), field.end(), mac.bytes.begin());
  return true;
}

bool take_address(const std::vector<base::IpAddress>& addresses, std::uint32_t number, base::IpAddress& address) {
  if (number >= addresses.size()) return false;
  address = addresses[number];
  return true;
}

/// A layer of a type that this version does not know is left out.
bool take_tunnels(const hoptap::v1::Vantage& field, const std::vector<base::IpAddress>& addresses,
                  base::TunnelStack& stack) {
  for (const hoptap::v1::Tunnel& from : field.tunnels()) {
    if (from.type() >= base::kTunnelTypeCount) continue;
    if (stack.depth == base::TunnelStack::kDepthMax) return false;
    base::Tunnel& layer = stack.layers[stack.depth++];
    layer.type = static_cast<base::TunnelType>(from.type());
    layer.id = from.id();
    if (!take_address(addresses, from.source(), layer.source) || !take_address(addresses, from.target(), layer.target))
      return false;
  }
  return true;
}

bool take_vantage(std::string_view bytes, const std::vector<base::IpAddress>& addresses, flowtable::Vantage& vantage) {
  hoptap::v1::Vantage field;
  base::Link& link = vantage.link;
  if (bytes.size() > kVantageBytesMax || !field.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return false;
  if (!take_mac(field.source_mac(), link.source) || !take_mac(field.target_mac(), link.target)) return false;
  if (field.vlan_count() > base::Link::kVlansMax) return false;
  link.vlan_count = static_cast<std::uint8_t>(field.vlan_count());
  link.interface_index = field.interface_index();
  if (field.vlans_size() != 0 && field.vlans_size() != static_cast<int>(base::Link::kVlansMax)) return false;
  for (int at = 0; at < field.vlans_size(); ++at) {
    if (field.vlans(at) > UINT16_MAX) return false;
    link.vlans[static_cast<std::size_t>(at)] = static_cast<std::uint16_t>(field.vlans(at));
  }
  return take_tunnels(field, addresses, vantage.tunnels);
}

std::vector<flowtable::Vantage> read_vantages(const std::vector<std::string_view>& fields,
                                              const std::vector<base::IpAddress>& addresses, Trouble& trouble) {
  std::vector<flowtable::Vantage> vantages;
  if (fields.size() > batch_limit::kRecords) trouble.say("more vantages than allowed");
  for (const std::string_view field : fields) {
    if (trouble.any()) break;
    if (!take_vantage(field, addresses, vantages.emplace_back())) trouble.say("RecordBatch.vantages has a bad one");
  }
  return vantages;
}

using ProcessPointer = std::shared_ptr<const flowtable::Process>;

std::vector<ProcessPointer> read_processes(const std::vector<std::string_view>& fields, Trouble& trouble) {
  std::vector<ProcessPointer> processes;
  if (fields.size() > 2 * batch_limit::kRecords) trouble.say("more processes than allowed");
  for (const std::string_view bytes : fields) {
    hoptap::v1::Process field;
    if (bytes.size() > kProcessBytesMax || !field.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      trouble.say("RecordBatch.processes has a bad one");
    if (trouble.any()) break;
    processes.push_back(std::make_shared<flowtable::Process>(
        flowtable::Process{.pid = field.pid(), .name = field.name(), .container_id = field.container_id()}));
  }
  return processes;
}

bool take_process(const std::vector<ProcessPointer>& processes, std::uint32_t number, ProcessPointer& process) {
  if (number > processes.size()) return false;
  if (number != 0) process = processes[number - 1];
  return true;
}

bool is_same(const ProcessPointer& left, const ProcessPointer& right) {
  return left == right || (left != nullptr && right != nullptr && *left == *right);
}

}  // namespace

bool same_processes(const flowtable::Processes& left, const flowtable::Processes& right) {
  return is_same(left.client, right.client) && is_same(left.server, right.server);
}

std::vector<base::IpAddress> read_addresses(const std::vector<std::string_view>& fields, Trouble& trouble) {
  std::vector<base::IpAddress> addresses;
  if (fields.size() > kAddressesMax) trouble.say("more addresses than allowed");
  for (const std::string_view field : fields) {
    if (field.size() != 4 && field.size() != 16) trouble.say("RecordBatch.addresses has one of neither 4 nor 16 bytes");
    if (trouble.any()) break;
    addresses.push_back(base::IpAddress::from(base::as_bytes(field)));
  }
  return addresses;
}

bool same_vantage(const flowtable::Vantage& left, const flowtable::Vantage& right) {
  return left.link.source == right.link.source && left.link.target == right.link.target &&
         left.link.vlans == right.link.vlans && left.link.vlan_count == right.link.vlan_count &&
         left.link.interface_index == right.link.interface_index && left.tunnels.depth == right.tunnels.depth &&
         std::ranges::equal(left.tunnels.used(), right.tunnels.used());
}

std::uint32_t ConnectionWriter::address_number(const base::IpAddress& address) {
  const auto next = static_cast<std::uint32_t>(addresses_.size());
  const std::string bytes = text_of(address.bytes);
  const auto [found, is_new] = addresses_.try_emplace(bytes, next);
  if (is_new)
    append_bytes_field(hoptap::v1::RecordBatch::kAddressesFieldNumber,
                       address.is_v4() ? std::string_view(bytes).substr(12) : bytes, address_fields_);
  return found->second;
}

std::uint32_t ConnectionWriter::vantage_number(const flowtable::Vantage& vantage) {
  hoptap::v1::Vantage field;
  const base::Link& link = vantage.link;
  put_mac(link.source, *field.mutable_source_mac());
  put_mac(link.target, *field.mutable_target_mac());
  if (link.vlans != decltype(link.vlans){})
    for (const std::uint16_t vlan : link.vlans) field.add_vlans(vlan);
  field.set_vlan_count(link.vlan_count);
  field.set_interface_index(link.interface_index);
  for (const base::Tunnel& layer : vantage.tunnels.used()) {
    hoptap::v1::Tunnel& tunnel = *field.add_tunnels();
    tunnel.set_type(static_cast<std::uint32_t>(layer.type));
    tunnel.set_id(layer.id);
    tunnel.set_source(address_number(layer.source));
    tunnel.set_target(address_number(layer.target));
  }
  const auto next = static_cast<std::uint32_t>(vantages_.size());
  const auto [found, is_new] = vantages_.try_emplace(field.SerializeAsString(), next);
  if (is_new) append_bytes_field(hoptap::v1::RecordBatch::kVantagesFieldNumber, found->first, vantage_fields_);
  return found->second;
}

std::uint32_t ConnectionWriter::process_number(const flowtable::Process* process) {
  if (process == nullptr) return 0;
  hoptap::v1::Process field;
  field.set_pid(process->pid);
  field.set_name(process->name.substr(0, batch_limit::kNameBytes));
  field.set_container_id(process->container_id.substr(0, batch_limit::kNameBytes));
  const auto next = static_cast<std::uint32_t>(processes_.size() + 1);
  const auto [found, is_new] = processes_.try_emplace(field.SerializeAsString(), next);
  if (is_new) append_bytes_field(hoptap::v1::RecordBatch::kProcessesFieldNumber, found->first, process_fields_);
  return found->second;
}

ConnectionRow ConnectionWriter::row_of(const Connection& connection) {
  return {.point = connection.point,
          .leg_id = connection.leg_id,
          .transport = connection.transport,
          .client_address = address_number(connection.client.address),
          .client_port = connection.client.port,
          .server_address = address_number(connection.server.address),
          .server_port = connection.server.port,
          .vantage = vantage_number(connection.vantage),
          .client_isn = connection.client_isn,
          .server_isn = connection.server_isn,
          .client_process = process_number(connection.processes.client.get()),
          .server_process = process_number(connection.processes.server.get())};
}

std::string ConnectionWriter::columns() {
  if (connections_.empty()) return "";
  ColumnWriter columns;
  ConnectionRow before;
  for (const Connection& connection : connections_) {
    const ConnectionRow row = row_of(connection);
    visit_row(columns, row, before);
    before = row;
  }
  std::string message;
  append_number_field(hoptap::v1::ConnectionColumns::kRowsFieldNumber, connections_.size(), message);
  columns.finish(message);
  return message;
}

std::vector<Connection> read_connections(const ConnectionFields& fields, const std::vector<base::IpAddress>& addresses,
                                         std::size_t points, Trouble& trouble) {
  using Number = hoptap::v1::ConnectionColumns;
  std::vector<Connection> connections;
  const std::vector<flowtable::Vantage> vantages = read_vantages(fields.vantages, addresses, trouble);
  const std::vector<ProcessPointer> processes = read_processes(fields.processes, trouble);
  ColumnReader columns;
  columns.open(fields.columns, *Number::descriptor(), trouble);
  const std::uint64_t rows = columns.number(Number::kRowsFieldNumber);
  if (rows > batch_limit::kRecords) columns.refuse(Number::kRowsFieldNumber, "is more than allowed");
  ConnectionRow row;
  for (std::uint64_t at = 0; at < rows && !trouble.any(); ++at) {
    const ConnectionRow before = row;
    visit_row(columns, row, before);
    Connection& to = connections.emplace_back();
    if (row.point >= points) columns.refuse(Number::kPointFieldNumber, "names a point that is not there");
    if (!take_address(addresses, row.client_address, to.client.address))
      columns.refuse(Number::kClientAddressFieldNumber, "names an address that is not there");
    if (!take_address(addresses, row.server_address, to.server.address))
      columns.refuse(Number::kServerAddressFieldNumber, "names an address that is not there");
    if (row.vantage >= vantages.size()) columns.refuse(Number::kVantageFieldNumber, "names one that is not there");
    if (!take_process(processes, row.client_process, to.processes.client))
      columns.refuse(Number::kClientProcessFieldNumber, "names one that is not there");
    if (!take_process(processes, row.server_process, to.processes.server))
      columns.refuse(Number::kServerProcessFieldNumber, "names one that is not there");
    if (trouble.any()) break;
    to.point = row.point;
    to.leg_id = row.leg_id;
    to.transport = row.transport;
    to.client.port = row.client_port;
    to.server.port = row.server_port;
    to.vantage = vantages[row.vantage];
    to.client_isn = row.client_isn;
    to.server_isn = row.server_isn;
  }
  columns.finish();
  return connections;
}

}  // namespace hoptap::exporting
