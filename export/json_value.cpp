#include "export/json_value.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "linker/virtual_points.h"

namespace hoptap::exporting {
namespace {

namespace json = boost::json;
namespace record_flag = flowtable::record_flag;

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 16> kFlagNames{{
    {record_flag::kMidStream, "mid_stream"},
    {record_flag::kHandshakeSeen, "handshake_seen"},
    {record_flag::kRequestMissing, "request_missing"},
    {record_flag::kResponseMissing, "response_missing"},
    {record_flag::kRequestGap, "request_gap"},
    {record_flag::kResponseGap, "response_gap"},
    {record_flag::kTruncated, "truncated"},
    {record_flag::kEncrypted, "encrypted"},
    {record_flag::kOneDirection, "one_direction"},
    {record_flag::kIncomplete, "incomplete"},
    {record_flag::kInterim, "interim"},
    {record_flag::kUpgraded, "upgraded"},
    {record_flag::kHandshake, "handshake"},
    {record_flag::kCopyUncertain, "copy_uncertain"},
    {record_flag::kRequestEndUnseen, "request_end_unseen"},
    {record_flag::kResponseEndUnseen, "response_end_unseen"},
}};

void write(const json::value& value, std::string& out);

void write_list(const json::array& list, std::string& out) {
  out += '[';
  for (const json::value& item : list) {
    if (&item != list.data()) out += ',';
    write(item, out);
  }
  out += ']';
}

void write_object(const json::object& object, std::string& out) {
  out += '{';
  bool first = true;
  for (const json::key_value_pair& field : object) {
    if (!std::exchange(first, false)) out += ',';
    out += json::serialize(field.key());
    out += ':';
    write(field.value(), out);
  }
  out += '}';
}

void write(const json::value& value, std::string& out) {
  if (value.is_double()) {
    out += fmt::format("{:.6g}", value.get_double());
  } else if (value.is_array()) {
    write_list(value.get_array(), out);
  } else if (value.is_object()) {
    write_object(value.get_object(), out);
  } else {
    out += json::serialize(value);
  }
}

/// Bytes of the UTF-8 sequence (RFC 3629) that `text` begins with; 0: it is none.
std::size_t sequence_bytes(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t size = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < size) return 0;
  for (std::size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xed && byte(1) >= 0xa0;
  const bool beyond = byte(0) == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

}  // namespace

std::string line_of(const json::value& value) {
  std::string out;
  write(value, out);
  return out;
}

std::string utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = sequence_bytes(text);
    out += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

json::array flag_names(std::uint32_t flags) {
  json::array names;
  for (const auto& [flag, name] : kFlagNames) {
    if ((flags & flag) != 0) names.emplace_back(name);
  }
  return names;
}

json::array closing_names(std::uint8_t closing) {
  json::array names;
  if ((closing & flowtable::closing::kClientFin) != 0) names.emplace_back("client_fin");
  if ((closing & flowtable::closing::kServerFin) != 0) names.emplace_back("server_fin");
  if ((closing & flowtable::closing::kClientReset) != 0) names.emplace_back("client_reset");
  if ((closing & flowtable::closing::kServerReset) != 0) names.emplace_back("server_reset");
  return names;
}

bool has_id(base::TunnelType type) {
  using base::TunnelType;
  return type != TunnelType::kIpInIp && type != TunnelType::kErspan1 && type != TunnelType::kTeredo;
}

json::array tunnels(const base::TunnelStack& stack) {
  json::array names;
  for (const base::Tunnel& layer : stack.used()) {
    const std::string name = linker::tunnel_name(layer.type);
    names.emplace_back(has_id(layer.type) ? fmt::format("{}:{}", name, layer.id) : name);
  }
  return names;
}

json::array stamps_json(std::span<const PointStamp> stamps) {
  json::array list;
  for (const PointStamp& one : stamps) {
    json::object stamp{{"by", utf8(one.by)}, {"unit_ns", nullptr}, {"packets", nullptr}};
    if (one.unit_ns > 0) stamp["unit_ns"] = one.unit_ns;
    if (one.packets > 0) stamp["packets"] = one.packets;
    list.push_back(std::move(stamp));
  }
  return list;
}

void put_processes(const flowtable::Processes& processes, json::object& out) {
  const auto put = [&out](const char* key, const flowtable::Process* process) {
    if (process == nullptr) return;
    json::object one{{"process.pid", process->pid}, {"process.executable.name", utf8(process->name)}};
    if (!process->container_id.empty()) one["container.id"] = utf8(process->container_id);
    out[key] = std::move(one);
  };
  put("client_process", processes.client.get());
  put("server_process", processes.server.get());
}

std::string transport_name(std::uint8_t transport) {
  if (transport == 6) return "tcp";
  if (transport == 17) return "udp";
  return std::to_string(transport);
}

}  // namespace hoptap::exporting
