#include "capture/file_kind.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "capture/pcap_format.h"
#include "capture/pcapng_format.h"

namespace hoptap::capture {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view first;
  std::string_view what;
};

constexpr std::array kOthers{
    Magic{"\xfd"
          "7zXZ\0"sv,
          "is compressed with xz: decompress it first (xz -d)"},
    Magic{"BZh"sv, "is compressed with bzip2: decompress it first (bzip2 -d)"},
    Magic{"\x04\x22\x4d\x18"sv, "is compressed with lz4: decompress it first (lz4 -d)"},
    Magic{"\x1f\x9d"sv, "is compressed with compress: decompress it first (gzip -d)"},
    Magic{"PK\x03\x04"sv, "is a zip archive: unpack it first (unzip)"},
    Magic{"7z\xbc\xaf\x27\x1c"sv, "is a 7-Zip archive: unpack it first"},
    Magic{"\x7f"
          "ELF"sv,
          "is an ELF program or library, not a capture file"},
    Magic{"snoop\0\0\0"sv, "is a snoop capture (RFC 1761), which is not read: convert it first (editcap -F pcap)"},
    Magic{"GMBU"sv, "is a Microsoft Network Monitor 2 capture, which is not read: convert it first (editcap -F pcap)"},
    Magic{"RTSS"sv, "is a Microsoft Network Monitor 1 capture, which is not read: convert it first (editcap -F pcap)"},
    Magic{"MDMP"sv, "is a Windows memory dump, not a capture file"},
    Magic{"SQLite format 3\0"sv, "is an SQLite database, not a capture file"},
};

/// Printable ASCII or UTF-8 throughout.
bool is_text(base::Bytes first) {
  return std::all_of(first.begin(), first.end(), [](std::uint8_t byte) {
    return byte == '\t' || byte == '\n' || byte == '\r' || (byte >= ' ' && byte != 0x7f);
  });
}

/// Endace's record format has no magic: a plausible time, type and length must do. The time is a
/// little-endian count of 2^-32 s, so bytes 4 to 7 are seconds; lengths are big-endian.
bool is_erf(base::Bytes first) {
  constexpr std::uint64_t kYear1990 = 631'152'000, kYear2100 = 4'102'444'800;
  constexpr std::uint8_t kTypeBits = 0x7f, kTypeMax = 48;
  constexpr std::size_t kHeaderBytes = 16;
  if (first.size() < kHeaderBytes) return false;
  const std::uint64_t seconds = base::load_le(first.subspan(4, 4));
  const auto type = static_cast<std::uint8_t>(first[8] & kTypeBits);
  const std::uint64_t record_bytes = base::load_be(first.subspan(10, 2));
  const std::uint64_t wire_bytes = base::load_be(first.subspan(14, 2));
  return seconds >= kYear1990 && seconds <= kYear2100 && type >= 1 && type <= kTypeMax &&
         record_bytes >= kHeaderBytes && wire_bytes > 0 && record_bytes <= wire_bytes + 64;
}

}  // namespace

FileKind file_kind(base::Bytes first) {
  if (first.size() < 4) return FileKind::kOther;
  if (PcapFormat::recognises(first)) return FileKind::kPcap;
  if (PcapngFormat::recognises(first)) return FileKind::kPcapng;
  if (first[0] == 0x1f && first[1] == 0x8b) return FileKind::kGzip;  // RFC 1952 section 2.3.1
  const std::uint64_t magic = base::load_le(first.first(4));
  constexpr std::uint32_t kZstdFrame = 0xfd2fb528, kZstdSkippable = 0x184d2a50;  // RFC 8878 section 3.1
  if (magic == kZstdFrame || (magic & 0xfffffff0u) == kZstdSkippable) return FileKind::kZstd;
  return FileKind::kOther;
}

std::string what_else(base::Bytes first) {
  if (first.empty()) return "is empty (0 bytes)";
  for (const Magic& other : kOthers) {
    if (base::as_text(first).starts_with(other.first)) return std::string(other.what);
  }
  if (is_text(first)) return "is text, not a capture file (packets are saved with tcpdump -w FILE)";
  if (is_erf(first)) return "looks like an ERF capture (Endace), which is not read: convert it first (editcap -F pcap)";
  if (first.size() < kKindBytes)
    return "is too short to be a capture file (" + std::to_string(first.size()) + " bytes)";
  return "is not a pcap or pcapng file";
}

}  // namespace hoptap::capture
