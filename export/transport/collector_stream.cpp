#include "export/transport/collector_stream.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hoptap::exporting {
namespace {

constexpr std::uint64_t kSequenceMax = 1ull << 62;  // fits every database's signed numbers

std::string join(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ", ") + word;
  return joined;
}

}  // namespace

std::string_view name(StreamEndReason reason) {
  constexpr std::array<std::string_view, kStreamEndReasons> kNames{
      "closed",   "broken",     "malformed", "no_hello",    "bad_hello", "protocol", "refused", "bad_sequence",
      "oversize", "bad_coding", "bad_batch", "unavailable", "too_many",  "replaced", "stopping"};
  return kNames[static_cast<std::size_t>(reason)];
}

bool is_printable(std::string_view text, std::size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

void CollectorStream::end(StreamEndReason reason, std::string words, std::uint64_t refused_batch) {
  if (!end_) end_ = StreamEnd{reason, std::move(words), refused_batch};
}

bool CollectorStream::wants_more() const {
  return !end_ && state_ != State::kAsked && pending_.size() < config_.batches_in_flight_max;
}

CollectorStream::Step CollectorStream::take(v1::FromProbe&& message) {
  if (end_) return {};
  switch (message.message_case()) {
    case v1::FromProbe::kHello: return take_hello(std::move(*message.mutable_hello()));
    case v1::FromProbe::kBatch: return take_batch(std::move(*message.mutable_batch()));
    case v1::FromProbe::MESSAGE_NOT_SET: break;
  }
  end(StreamEndReason::kMalformed, "a message is neither Hello nor Batch; is the probe newer than this tracer?");
  return {};
}

CollectorStream::Step CollectorStream::take_hello(v1::Hello&& hello) {
  if (state_ != State::kNew) {
    end(StreamEndReason::kBadHello, "a second Hello in one stream; open a new stream");
    return {};
  }
  if (hello.protocol() != kProtocol) {
    end(StreamEndReason::kProtocol, "the probe speaks protocol " + std::to_string(hello.protocol()) +
                                        ", this tracer speaks " + std::to_string(kProtocol) +
                                        "; install the same version of hoptap on both");
    return {};
  }
  if (!is_printable(hello.probe(), kProbeNameBytesMax)) {
    end(StreamEndReason::kBadHello,
        "the probe's name must be 1 to 128 bytes of printable text; change it in probe.yaml");
    return {};
  }
  const bool software_fits = hello.software().empty() || is_printable(hello.software(), kProbeNameBytesMax);
  if (hello.instance().size() != kInstanceBytes || !software_fits ||
      static_cast<std::size_t>(hello.codings_size()) > kCodingsMax) {
    end(StreamEndReason::kBadHello,
        "Hello needs 16 bytes of instance, and at most 128 bytes of printable software and 16 codings");
    return {};
  }
  for (std::string& coding : *hello.mutable_codings()) hello_.codings.push_back(std::move(coding));
  if (std::none_of(hello_.codings.begin(), hello_.codings.end(), [this](const auto& each) { return reads(each); })) {
    end(StreamEndReason::kBadCoding, "the probe sends none of the codings that this tracer reads: " +
                                         join(config_.codings) + "; install the same version of hoptap on both");
    return {};
  }
  state_ = State::kAsked;
  hello_.protocol = hello.protocol();
  hello_.probe = std::move(*hello.mutable_probe());
  hello_.instance = std::move(*hello.mutable_instance());
  hello_.software = std::move(*hello.mutable_software());
  return AskWelcome{};
}

bool CollectorStream::reads(std::string_view coding) const {
  return std::find(config_.codings.begin(), config_.codings.end(), coding) != config_.codings.end();
}

void CollectorStream::welcomed(const base::Outcome<std::uint64_t>& last_stored) {
  if (state_ != State::kAsked || end_) return;
  if (!last_stored) {
    end(StreamEndReason::kRefused, last_stored.error().what);
    return;
  }
  state_ = State::kWelcomed;
  acknowledged_ = *last_stored;
  owes_welcome_ = true;
}

CollectorStream::Step CollectorStream::take_batch(v1::Batch&& batch) {
  if (state_ != State::kWelcomed) {
    end(StreamEndReason::kNoHello, "a batch before Hello and Welcome; a stream begins with Hello");
    return {};
  }
  const std::uint64_t sequence = batch.sequence();
  tally_.batches_received += 1;
  tally_.bytes_received += batch.payload().size();
  if (sequence <= received_ || sequence > kSequenceMax) {
    end(StreamEndReason::kBadSequence, "batch " + std::to_string(sequence) + " after batch " +
                                           std::to_string(received_) + "; numbers must ascend within a stream");
    return {};
  }
  if (batch.payload().size() > config_.batch_bytes_max) {
    end(StreamEndReason::kOversize,
        "batch " + std::to_string(sequence) + " has " + std::to_string(batch.payload().size()) +
            " bytes, this tracer takes at most " + std::to_string(config_.batch_bytes_max) +
            "; lower the probe's batch size or raise the tracer's limit",
        sequence);
    return {};
  }
  if (!reads(batch.coding())) {
    end(StreamEndReason::kBadCoding, "batch " + std::to_string(sequence) +
                                         " has a coding that this tracer does not read; it reads " +
                                         join(config_.codings));
    return {};
  }
  const std::uint64_t expected = std::max(received_, acknowledged_) + 1;
  received_ = sequence;
  if (sequence < expected) {  // the acknowledgement was lost on the way
    tally_.duplicates += 1;
    owes_ack_ = true;
    return {};
  }
  tally_.gaps += sequence - expected;
  pending_.push_back({sequence, batch.records()});
  ++being_stored_;
  return Store{{sequence, batch.records(), std::move(*batch.mutable_coding()), std::move(*batch.mutable_payload())}};
}

void CollectorStream::stored(std::uint64_t sequence, const StoreResult& result) {
  const auto found = std::lower_bound(pending_.begin(), pending_.end(), sequence,
                                      [](const Pending& each, std::uint64_t number) { return each.sequence < number; });
  if (found == pending_.end() || found->sequence != sequence || found->progress != Progress::kBeingStored) return;
  --being_stored_;
  if (result.outcome == StoreOutcome::kStored) {
    found->progress = Progress::kStored;
    tally_.batches_stored += 1;
    tally_.records_stored += found->records;
  } else {
    found->progress = Progress::kNotStored;
    tally_.batches_unstored += 1;
    const bool malformed = result.outcome == StoreOutcome::kMalformed;
    end(malformed ? StreamEndReason::kBadBatch : StreamEndReason::kUnavailable,
        "batch " + std::to_string(sequence) + ": " + result.words, malformed ? sequence : 0);
  }
  while (!pending_.empty() && pending_.front().progress == Progress::kStored) {
    acknowledged_ = pending_.front().sequence;
    pending_.pop_front();
    owes_ack_ = true;
  }
}

bool CollectorStream::reply(v1::FromTracer& message) {
  message.Clear();
  if (owes_welcome_) {
    v1::Welcome& welcome = *message.mutable_welcome();
    welcome.set_protocol(kProtocol);
    welcome.set_acknowledged(acknowledged_);
    welcome.set_batch_bytes_max(config_.batch_bytes_max);
    welcome.set_batches_in_flight_max(config_.batches_in_flight_max);
    for (const std::string& coding : config_.codings) welcome.add_codings(coding);
    owes_welcome_ = false;
    owes_ack_ = false;
    return true;
  }
  if (!owes_ack_) return false;
  message.mutable_ack()->set_acknowledged(acknowledged_);
  tally_.acks_sent += 1;
  owes_ack_ = false;
  return true;
}

}  // namespace hoptap::exporting
