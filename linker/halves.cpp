#include "linker/halves.h"

#include <utility>

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;
namespace record_flag = flowtable::record_flag;

constexpr std::uint32_t kHalf = record_flag::kRequestMissing | record_flag::kResponseMissing;

bool is_request_only(const HopRecord& record) { return record.request.seen() && !record.response.seen(); }
bool is_response_only(const HopRecord& record) { return !record.request.seen() && record.response.seen(); }

}  // namespace

bool are_halves(const HopRecord& left, const HopRecord& right) {
  if (left.point != right.point || left.leg_id != right.leg_id) return false;
  const HopRecord& request = is_request_only(left) ? left : right;
  const HopRecord& response = is_request_only(left) ? right : left;
  return is_request_only(request) && is_response_only(response) &&
         request.request.first_ns <= response.response.first_ns;
}

void add_half(HopRecord& record, HopRecord&& half) {
  if (is_response_only(record)) std::swap(record, half);  // the request's half names what is asked
  record.response = half.response;
  record.status = half.status;
  record.has_status = half.has_status;
  record.closing |= half.closing;
  record.flags = (record.flags | half.flags) & ~kHalf;
  if (!record.to_server_reset.seen()) record.to_server_reset = half.to_server_reset;
  if (!record.to_client_reset.seen()) record.to_client_reset = half.to_client_reset;
  for (flowtable::HeaderId& id : half.ids) record.ids.push_back(std::move(id));
}

}  // namespace hoptap::linker
