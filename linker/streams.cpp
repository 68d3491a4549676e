#include "linker/streams.h"

#include <algorithm>

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;

constexpr std::size_t kNone = SIZE_MAX;

bool same_request(const flowtable::MessageRecord& left, const flowtable::MessageRecord& right) {
  return left.seen() && right.seen() && left.head_hash != 0 && left.head_hash == right.head_hash &&
         left.bytes == right.bytes;
}

bool is_renumbered(const Group& left, const Group& right) {
  bool same = false;
  for (const HopRecord& a : left.records) {
    for (const HopRecord& b : right.records) {
      if (a.point == b.point) return false;
      const bool stamps =
          a.request.tsval != 0 && a.request.tsval == b.request.tsval && a.request.tsecr == b.request.tsecr;
      same = same || (stamps && same_request(a.request, b.request));
    }
  }
  return same;
}

/// From the first byte of the request to the last of the response, at the point that waited longest; 0: unanswered.
std::int64_t wait_of(const Group& group) {
  std::int64_t longest = 0;
  for (const HopRecord& record : group.records) {
    if (!record.request.seen() || !record.response.seen()) continue;
    longest = std::max(longest, difference_ns(record.response.last_ns, record.request.first_ns));
  }
  return longest;
}

bool share_id(const Group& left, const Group& right) {
  const auto has = [&](const flowtable::HeaderId& id) {
    return std::any_of(right.records.begin(), right.records.end(), [&](const HopRecord& record) {
      return std::any_of(record.ids.begin(), record.ids.end(), [&](const flowtable::HeaderId& other) {
        return other.kind == id.kind && other.value == id.value;
      });
    });
  };
  return std::any_of(left.records.begin(), left.records.end(),
                     [&](const HopRecord& record) { return std::any_of(record.ids.begin(), record.ids.end(), has); });
}

/// At every point that saw both, the outer exchange lasts from before the inner one to after it.
bool encloses(const Group& outer, const Group& inner) {
  for (const HopRecord& around : outer.records) {
    for (const HopRecord& within : inner.records) {
      if (around.point != within.point) continue;
      if (start_ns(within) < start_ns(around) || end_ns(within) > end_ns(around)) return false;
    }
  }
  return true;
}

}  // namespace

bool same_numbers(const HopRecord& left, const HopRecord& right) {
  if (left.transport != kTcp || right.transport != kTcp) return true;
  const bool requests = left.request.seen() && right.request.seen();
  const bool responses = left.response.seen() && right.response.seen();
  return (requests && left.request.sequence == right.request.sequence) ||
         (responses && left.response.sequence == right.response.sequence);
}

bool same_stream(const HopRecord& left, const HopRecord& right) {
  return same_numbers(left, right) || same_request(left.request, right.request);
}

std::vector<Group> join_renumbered(std::vector<Group>&& groups) {
  std::vector<std::size_t> partner(groups.size(), kNone);
  std::vector<std::size_t> fits(groups.size());
  for (std::size_t right = 1; right < groups.size(); ++right) {
    for (std::size_t left = 0; left < right; ++left) {
      if (!is_renumbered(groups[left], groups[right])) continue;
      ++fits[left], ++fits[right];
      partner[left] = right;
      partner[right] = left;
    }
  }
  std::vector<Group> joined;
  for (std::size_t at = 0; at < groups.size(); ++at) {
    const std::size_t other = partner[at];
    const bool mutual = other != kNone && fits[at] == 1 && fits[other] == 1;
    if (mutual && other < at) continue;  // went with the other
    joined.push_back(std::move(groups[at]));
    if (!mutual) continue;
    for (HopRecord& record : groups[other].records) joined.back().records.push_back(std::move(record));
  }
  return joined;
}

std::vector<Group> chain_streams(std::vector<Group>&& groups) {
  struct Link {
    std::int64_t wait_ns;
    std::size_t group;  ///< index into `groups`
  };
  std::vector<Link> links;
  for (std::size_t at = 0; at < groups.size(); ++at) links.push_back({wait_of(groups[at]), at});
  std::stable_sort(links.begin(), links.end(),
                   [](const Link& left, const Link& right) { return left.wait_ns > right.wait_ns; });
  std::vector<std::vector<Link>> chains;  // outermost first
  for (const Link& link : links) {
    const Group& group = groups[link.group];
    const auto home = std::find_if(chains.begin(), chains.end(), [&](const std::vector<Link>& chain) {
      const Group& outer = groups[chain.back().group];
      return link.wait_ns > 0 && link.wait_ns < chain.back().wait_ns && share_id(outer, group) &&
             encloses(outer, group);
    });
    if (home == chains.end()) {
      chains.push_back({link});
    } else {
      home->push_back(link);
    }
  }
  std::vector<Group> joined;
  for (const std::vector<Link>& chain : chains) {
    Group& whole = joined.emplace_back();
    for (const Link& link : chain) {
      for (HopRecord& record : groups[link.group].records) whole.records.push_back(std::move(record));
    }
  }
  return joined;
}

}  // namespace hoptap::linker
