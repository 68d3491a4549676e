#include "capture/file_source.h"

#include <fmt/format.h>

#include <utility>

#include "capture/decompress.h"
#include "capture/file_kind.h"
#include "capture/input.h"
#include "capture/open_input.h"
#include "capture/pcap_format.h"
#include "capture/pcapng_format.h"

namespace hoptap::capture {
namespace {

/// Packets of one file. The virtual calls are per batch; `Format` is known at compile time.
template <class Format>
class FileSource final : public Source {
 public:
  FileSource(std::unique_ptr<Input> input, Format format) : input_(std::move(input)), format_(std::move(format)) {}

  std::size_t poll(std::span<Packet> batch) override {
    input_->release();
    const std::span<Packet> wanted = batch.first(std::min(batch.size(), kBatchPackets));
    std::size_t filled = take_run(wanted);
    while (filled < wanted.size() && !has_ended_) {
      const RecordStep step = format_.next(input_->window(), wanted[filled]);
      switch (step.kind) {
        case RecordStep::Kind::kPacket:
          bytes_ += wanted[filled].bytes.size();
          ++filled;
          input_->consume(step.bytes);
          break;
        case RecordStep::Kind::kSkip: input_->consume(step.bytes); break;
        case RecordStep::Kind::kNeedMore:
          if (filled > 0) return give(filled);  // refilling would move the bytes of these packets
          if (!input_->refill(step.bytes)) end_of_input();
          break;
        case RecordStep::Kind::kEnd:
          has_ended_ = true;
          note(fmt::format("{} at byte {}: nothing after that was read", format_.state().end_reason,
                           input_->consumed_bytes()));
          break;
      }
    }
    return give(filled);
  }

  std::span<const Interface> interfaces() const override { return format_.state().interfaces; }

  SourceCounters counters() const override {
    SourceCounters counters = format_.state().counters;
    counters.packets = packets_;
    counters.bytes = bytes_;
    counters.cut_records = cut_records_;
    return counters;
  }

  SourceProgress progress() const override { return input_->progress(); }

  std::string complaint() const override {
    std::string all = ending_;
    const auto add = [&all](std::string_view sentence) {
      if (!all.empty()) all += "; ";
      all += sentence;
    };
    const FormatState& state = format_.state();
    const std::uint64_t skipped = state.counters.bad_records - (state.end_reason.empty() ? 0 : 1);
    if (skipped > 0) add(fmt::format("{} blocks contradict the format and were skipped", skipped));
    if (state.timeless_packets > 0) {
      add(fmt::format("{} packets have no time of their own and got that of the packet before",
                      state.timeless_packets));
    }
    return all;
  }

 private:
  /// What can be read without looking twice.
  std::size_t take_run(std::span<Packet> wanted) {
    if constexpr (requires { format_.take_run(input_->window(), wanted); }) {
      const auto run = format_.take_run(input_->window(), wanted);
      bytes_ += run.bytes - run.packets * format_.header_bytes();
      input_->consume(run.bytes);
      return run.packets;
    }
    return 0;
  }

  std::size_t give(std::size_t filled) {
    packets_ += filled;
    return filled;
  }

  void end_of_input() {
    has_ended_ = true;
    const std::size_t left_bytes = input_->window().size();
    if (left_bytes > 0 || input_->is_skipping()) {
      ++cut_records_;
      note(fmt::format("the last record, at byte {}, is cut off", input_->consumed_bytes()));
    }
    note(input_->error());
  }

  void note(const std::string& sentence) {
    if (sentence.empty()) return;
    if (!ending_.empty()) ending_ += "; ";
    ending_ += sentence;
  }

  std::unique_ptr<Input> input_;
  Format format_;
  bool has_ended_ = false;
  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t cut_records_ = 0;
  std::string ending_;  ///< why reading stopped; "" at the proper end
};

tl::unexpected<base::Failure> failure(std::string what) {
  return tl::unexpected(base::Failure{.what = std::move(what)});
}

template <class Format>
base::Outcome<std::unique_ptr<Source>> open_format(std::unique_ptr<Input> input, std::size_t consumed_bytes) {
  base::Outcome<Format> format = Format::open(input->window());
  if (!format) return tl::unexpected(std::move(format).error());
  input->consume(consumed_bytes);
  return std::make_unique<FileSource<Format>>(std::move(input), *std::move(format));
}

/// `prefix` tells how the input was packed: "", or "is gzip of a file that ".
base::Outcome<std::unique_ptr<Source>> open_plain(std::unique_ptr<Input> input, const std::string& prefix) {
  const bool is_long_enough = input->refill(kKindBytes);
  const base::Bytes first = input->window().first(std::min(input->window().size(), kKindBytes));
  const std::string error = input->error();
  if (first.empty() && !error.empty()) return failure(error);
  switch (file_kind(first)) {
    case FileKind::kPcap:
      if (!is_long_enough) return failure(prefix + "is a pcap file cut off in its header");
      return open_format<PcapFormat>(std::move(input), PcapFormat::kFileHeaderBytes);
    case FileKind::kPcapng:
      if (!is_long_enough) return failure(prefix + "is a pcapng file cut off in its header");
      return open_format<PcapngFormat>(std::move(input), 0);
    case FileKind::kGzip: return failure(prefix + "is compressed twice: decompress it first (gzip -d)");
    case FileKind::kZstd: return failure(prefix + "is compressed twice: decompress it first (zstd -d)");
    case FileKind::kOther: break;
  }
  return failure(prefix + what_else(first));
}

}  // namespace

base::Outcome<std::unique_ptr<Source>> open_input(std::unique_ptr<Input> input) {
  input->refill(kKindBytes);
  switch (file_kind(input->window())) {
    case FileKind::kGzip: return open_plain(open_gzip(std::move(input)), "is gzip of a file that ");
    case FileKind::kZstd: return open_plain(open_zstd(std::move(input)), "is zstd of a file that ");
    default: return open_plain(std::move(input), "");
  }
}

base::Outcome<std::unique_ptr<Source>> open_bytes(base::Bytes file) {
  return open_input(std::make_unique<MemoryInput>(file));
}

base::Outcome<std::unique_ptr<Source>> open_file(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  const auto named = [&name](const base::Failure& cause) { return failure(name + ": " + cause.what); };
  auto input = open_path(path);
  if (!input) return named(input.error());
  auto source = open_input(*std::move(input));
  if (!source) return named(source.error());
  return source;
}

}  // namespace hoptap::capture
