// Kinds of identifiers that applications put into message headers.
#pragma once

#include <cstdint>

namespace hoptap::base {

/// x-request-id; traceparent (W3C Trace Context); b3 (Zipkin); sw8 (SkyWalking); uber-trace-id
/// (Jaeger); pinpoint-traceid.
enum class IdKind : std::uint8_t { kRequestId, kTraceParent, kB3, kSw8, kUberTraceId, kPinpoint };

}  // namespace hoptap::base
