// Any messages of a probe, as bytes or put together, and any answers of the sink: the stream must ask for each batch
// once and in order, and acknowledge nothing that is not stored.
#include <cstdlib>
#include <set>
#include <string>

#include "base/bytes.h"
#include "export/transport/collector_stream.h"

namespace {

using namespace hoptap;
using exporting::CollectorStream;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string text(base::ByteCursor& in, std::size_t bytes) {
  return std::string(base::as_text(in.take(std::min(bytes, in.rest().size()))));
}

v1::FromProbe message_from(base::ByteCursor& in) {
  v1::FromProbe message;
  const std::uint8_t kind = in.u8();
  if ((kind & 0x03) == 0) {
    (void)message.ParseFromString(text(in, in.u8()));
  } else if ((kind & 0x03) == 1) {
    v1::Hello& hello = *message.mutable_hello();
    hello.set_protocol((kind & 0x10) != 0 ? in.u8() : 1);
    hello.set_probe((kind & 0x20) != 0 ? text(in, in.u8()) : "probe");
    hello.set_instance((kind & 0x40) != 0 ? text(in, in.u8()) : "0123456789abcdef");
    hello.add_codings((kind & 0x80) != 0 ? text(in, 4) : "zstd");
  } else {
    v1::Batch& batch = *message.mutable_batch();
    batch.set_sequence((kind & 0x10) != 0 ? in.u64() : in.u8());
    batch.set_records(in.u8());
    batch.set_coding((kind & 0x20) != 0 ? text(in, 4) : "zstd");
    batch.set_payload(std::string(in.u8(), 'x'));
  }
  return message;
}

/// Plays the reactor and the sink, and remembers what they were told.
class Tracer {
 public:
  void take(v1::FromProbe&& message) {
    CollectorStream::Step step = stream_.take(std::move(message));
    if (std::holds_alternative<CollectorStream::AskWelcome>(step)) {
      require(!asked_);
      asked_ = true;
      require(exporting::is_printable(stream_.hello().probe, exporting::kProbeNameBytesMax));
      require(stream_.hello().instance.size() == exporting::kInstanceBytes);
    }
    if (const auto* store = std::get_if<CollectorStream::Store>(&step)) {
      require(welcomed_ && store->batch.sequence > highest_ && store->batch.payload.size() <= config_.batch_bytes_max);
      highest_ = store->batch.sequence;
      waiting_.insert(highest_);
      require(waiting_.size() <= config_.batches_in_flight_max);
    }
  }
  void welcome(std::uint64_t last, bool refused) {
    if (!asked_ || welcomed_ || stream_.ended()) return;
    welcomed_ = !refused;
    acknowledged_ = highest_ = refused ? 0 : last;
    if (refused) stream_.welcomed(tl::unexpected(base::Failure{"no"}));
    if (!refused) stream_.welcomed(last);
  }
  void answer(std::size_t which, exporting::StoreOutcome outcome) {
    if (waiting_.empty()) return;
    const auto chosen = std::next(waiting_.begin(), static_cast<std::ptrdiff_t>(which % waiting_.size()));
    const std::uint64_t sequence = *chosen;
    waiting_.erase(chosen);
    if (outcome != exporting::StoreOutcome::kStored) unstored_.insert(sequence);
    stream_.stored(sequence, {outcome, ""});
  }
  void reply() {
    v1::FromTracer message;
    if (!stream_.reply(message)) return;
    require(welcomed_);
    const std::uint64_t number =
        message.has_welcome() ? message.welcome().acknowledged() : message.ack().acknowledged();
    require(number >= acknowledged_ && number <= highest_);
    acknowledged_ = number;
    require(waiting_.empty() || *waiting_.begin() > number);
    require(unstored_.empty() || *unstored_.begin() > number);
  }
  bool reads() const { return stream_.wants_more(); }
  void end() {
    require(stream_.being_stored() == waiting_.size());
    while (!waiting_.empty()) answer(0, exporting::StoreOutcome::kStored);
    require(stream_.being_stored() == 0);
    reply();
    require(!stream_.wants_reply());
    if (stream_.ended()) require(!exporting::name(stream_.ended()->reason).empty());
  }

 private:
  exporting::CollectorConfig config_{.batch_bytes_max = 200, .batches_in_flight_max = 4};
  exporting::CollectorTally tally_;
  CollectorStream stream_{config_, tally_};
  bool asked_ = false;
  bool welcomed_ = false;
  std::uint64_t highest_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::set<std::uint64_t> waiting_;
  std::set<std::uint64_t> unstored_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::ByteCursor in(base::Bytes(data, size));
  Tracer tracer;
  while (in.ok() && !in.rest().empty()) {
    const std::uint8_t what = in.u8();
    switch (what & 0x07) {
      case 0: tracer.welcome(what >> 3, (what & 0x80) != 0); break;
      case 1: tracer.answer(what >> 3, exporting::StoreOutcome::kStored); break;
      case 2: tracer.answer(what >> 5, static_cast<exporting::StoreOutcome>((what >> 3) % 3)); break;
      case 3: tracer.reply(); break;
      default:
        if (tracer.reads()) tracer.take(message_from(in));
    }
  }
  tracer.end();
  return 0;
}
