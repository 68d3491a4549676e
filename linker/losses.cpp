#include "linker/losses.h"

#include <algorithm>

#include "base/hash.h"
#include "linker/copies.h"

namespace hoptap::linker {
namespace {

using flowtable::MessageRecord;
namespace record_flag = flowtable::record_flag;

/// One message of a trace along the way it goes: the stops from its sender on.
struct Passage {
  Way way{};
  std::vector<std::size_t> stops;              ///< indexes into Trace::stops
  std::vector<const MessageRecord*> messages;  ///< by place; null: not seen there
  Places with_gaps = 0;
  WayPlaces places;
};

/// The stops [first, end) are those of one stream.
Passage passage_of(const Trace& trace, std::size_t first, std::size_t end, Way way, const Completeness& completeness) {
  Passage passage;
  passage.way = way;
  passage.places.id = static_cast<std::uint64_t>(way);
  const std::size_t count = std::min(end - first, kPlacesMax);
  for (std::size_t place = 0; place < count; ++place) {
    const std::size_t stop = first + (way == Way::kToServer ? place : count - 1 - place);
    const Stop& at = trace.stops[stop];
    const MessageRecord* message = nullptr;
    if (at.hop != Stop::kMissing) {
      const flowtable::HopRecord& record = trace.hops[at.hop].record;
      message = way == Way::kToServer ? &record.request : &record.response;
      if (!message->seen()) message = nullptr;
      const std::uint32_t gap = way == Way::kToServer ? record_flag::kRequestGap | record_flag::kRequestEndUnseen
                                                      : record_flag::kResponseGap | record_flag::kResponseEndUnseen;
      if ((record.flags & gap) != 0) passage.with_gaps |= Places{1} << place;
    }
    passage.stops.push_back(stop);
    passage.messages.push_back(message);
    passage.places.completeness.push_back(completeness.of(at.node.point, way));
    passage.places.id = base::hash_values(passage.places.id, at.node.point, at.node.rank);
  }
  return passage;
}

/// Did the acknowledgment of the whole message pass here before the message was sent again?
bool acknowledged_in_time(const MessageRecord& message) {
  return message.copies > 0 && message.ack_ns != 0 && message.ack_ns - message.first_ns < message.copy[0].delay_ns;
}

/// The message had arrived, and its acknowledgment was on its way back when it was sent again: the acknowledgment went
/// missing (or came too late) between the last place that saw it in time and the next one towards the sender.
void add_lost_ack(const Passage& passage, std::vector<Loss>& losses) {
  std::size_t nearest = passage.messages.size();
  for (std::size_t place = passage.messages.size(); place-- > 0;) {
    if (passage.messages[place] != nullptr && acknowledged_in_time(*passage.messages[place])) nearest = place;
  }
  if (nearest == 0 || nearest == passage.messages.size()) return;
  const bool to_server = passage.way == Way::kToServer;
  const std::size_t from = std::min(passage.stops[nearest], passage.stops[nearest - 1]);
  losses.push_back({to_server ? Lost::kRequestAck : Lost::kResponseAck, from, 1});
}

/// Places before `last` that saw a later copy only: their capture missed the one that counts.
void mark_late(const Passage& passage, const ResentCopy& copy, std::size_t last, Trace& trace) {
  for (std::size_t place = 0; place <= last; ++place) {
    const Stop& stop = trace.stops[passage.stops[place]];
    if (has_place(copy.saw_later, place) && stop.hop != Stop::kMissing) trace.hops[stop.hop].timed = false;
  }
}

void find_losses_of(const Passage& passage, const LossModel& model, Trace& trace) {
  bool arrived = false;
  for (const ResentCopy& copy : resent_copies(passage.messages, passage.with_gaps)) {
    if (arrived && copy.of_first_byte) continue;  // what came after it was sent in vain, wherever it went
    const std::vector<double> reached = model.reached(passage.places, copy);
    const auto likeliest = std::max_element(reached.begin(), reached.end());
    const auto last = static_cast<std::size_t>(likeliest - reached.begin());
    mark_late(passage, copy, last, trace);
    if (last + 1 == reached.size()) {  // seen everywhere: lost beyond, or sent again in vain
      if (copy.of_first_byte) add_lost_ack(passage, trace.losses);
      arrived = true;
      continue;
    }
    const std::size_t from = std::min(passage.stops[last], passage.stops[last + 1]);
    trace.losses.push_back({passage.way == Way::kToServer ? Lost::kRequest : Lost::kResponse, from, *likeliest});
  }
}

/// Both messages of each stream of the trace.
template <class Visit>
void each_passage(const Trace& trace, const Completeness& completeness, Visit visit) {
  for (std::size_t first = 0; first < trace.stops.size();) {
    std::size_t end = first;
    while (end < trace.stops.size() && trace.stops[end].stream == trace.stops[first].stream) ++end;
    if (end - first > 1) {
      for (const Way way : {Way::kToServer, Way::kToClient}) {
        visit(passage_of(trace, first, end, way, completeness));
      }
    }
    first = end;
  }
}

}  // namespace

void find_losses(Trace& trace, const RunKnowledge& run) {
  each_passage(trace, run.completeness, [&](const Passage& passage) { find_losses_of(passage, run.losses, trace); });
}

void learn_losses(const Trace& trace, const Completeness& completeness, LossModel& model) {
  each_passage(trace, completeness, [&](const Passage& passage) {
    for (const ResentCopy& copy : resent_copies(passage.messages, passage.with_gaps)) model.learn(passage.places, copy);
  });
}

}  // namespace hoptap::linker
