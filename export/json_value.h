// Small helpers over Boost.JSON, private to export/.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "base/encapsulation.h"
#include "export/point_stamps.h"
#include "flowtable/record.h"

namespace hoptap::exporting {

/// One line. Unlike boost::json::serialize, writes fractions the way people do: 0.98, not 9.8E-1.
std::string line_of(const boost::json::value& value);

/// Adds the field unless it is zero.
template <class Number>
void put_unless_zero(boost::json::object& object, std::string_view name, Number value) {
  if (value != 0) object[name] = value;
}

/// A string of the wire as JSON text: what is not UTF-8 becomes U+FFFD.
std::string utf8(std::string_view text);

boost::json::array flag_names(std::uint32_t flags);          ///< of record_flag
boost::json::array closing_names(std::uint8_t closing);      ///< of flowtable::closing
boost::json::array tunnels(const base::TunnelStack& stack);  ///< "vxlan:1", outermost first
/// {"by", "unit_ns", "packets"} each; what is not known is null.
boost::json::array stamps_json(std::span<const PointStamp> stamps);
/// "client_process" and "server_process", those that are known, with OpenTelemetry's names.
void put_processes(const flowtable::Processes& processes, boost::json::object& out);
std::string transport_name(std::uint8_t transport);  ///< "tcp", "udp", else the number

}  // namespace hoptap::exporting
