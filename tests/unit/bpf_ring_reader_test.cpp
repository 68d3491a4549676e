// The head tap's ring, with a stand-in for the kernel that writes it.
#include "bpf-optional/ring_reader.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <array>
#include <cstring>
#include <vector>

#include "bpf-optional/head_record.h"

namespace hoptap::bpf {
namespace {

constexpr std::size_t kRingBytes = 4096;
constexpr std::uint64_t kOffsetNs = 1'000'000;

/// As the kernel does it: a header of 8 bytes, then the record, multiples of 8 bytes; all bytes of the ring are there
/// twice.
class KernelRing {
 public:
  RingMemory memory() { return {&consumed_, &produced_, bytes_.data(), kRingBytes}; }

  /// False when it is full.
  bool put(std::uint32_t number, std::size_t captured_bytes, std::uint32_t flags = 0, std::uint32_t lie_bytes = 0) {
    const std::size_t room = sizeof(head_record) + captured_bytes;
    const std::size_t step = (room + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
    if (produced_ + step - consumed_ > kRingBytes - 1) return false;
    std::vector<std::uint8_t> record(step);
    const std::uint32_t state = static_cast<std::uint32_t>(room) | flags;
    const head_record head{.time_ns = number,
                           .wire_bytes = 9000 + number,
                           .captured_bytes = static_cast<std::uint32_t>(captured_bytes) + lie_bytes};
    std::memcpy(record.data(), &state, sizeof(state));
    std::memcpy(record.data() + BPF_RINGBUF_HDR_SZ, &head, sizeof(head));
    std::fill(record.begin() + BPF_RINGBUF_HDR_SZ + sizeof(head), record.end(), static_cast<std::uint8_t>(number));
    last_ = produced_;
    for (std::size_t at = 0; at < step; ++at) set(produced_ + at, record[at]);
    produced_ += step;
    return true;
  }
  void finish_last() {  // little endian, as the machines that have the ring are here
    set(last_ + 3, static_cast<std::uint8_t>(at(last_ + 3) & 0x7f));
  }
  std::uint64_t waiting_bytes() const { return produced_ - consumed_; }

 private:
  std::uint8_t at(std::uint64_t place) const { return bytes_[place % kRingBytes]; }
  void set(std::uint64_t place, std::uint8_t value) {
    bytes_[place % kRingBytes] = bytes_[place % kRingBytes + kRingBytes] = value;
  }

  std::uint64_t consumed_ = 0, produced_ = 0, last_ = 0;
  alignas(8) std::array<std::uint8_t, 2 * kRingBytes> bytes_{};
};

class RingReaderTest : public testing::Test {
 protected:
  std::size_t poll() { return reader.poll(batch, kOffsetNs); }
  void expect(std::size_t at, std::uint32_t number, std::size_t bytes) {
    ASSERT_EQ(batch[at].bytes.size(), bytes);
    EXPECT_EQ(batch[at].time_ns, number + kOffsetNs);
    EXPECT_EQ(batch[at].wire_bytes, 9000 + number);
    for (const std::uint8_t byte : batch[at].bytes) ASSERT_EQ(byte, static_cast<std::uint8_t>(number));
  }

  KernelRing kernel;
  RingReader reader{kernel.memory()};
  std::array<capture::Packet, 8> batch;
};

TEST_F(RingReaderTest, LendsUntilTheNextPollWhateverTheLengthAndPlace) {
  EXPECT_FALSE(reader.has_work());
  EXPECT_EQ(poll(), 0u);
  for (std::uint32_t number = 0; number < 200; ++number) {  // many times round
    const std::size_t bytes = 1 + number * 37 % 900;
    ASSERT_TRUE(kernel.put(number, bytes));
    ASSERT_TRUE(reader.has_work());
    ASSERT_EQ(poll(), 1u);
    expect(0, number, bytes);
    EXPECT_GT(kernel.waiting_bytes(), bytes);  // still ours
    EXPECT_EQ(reader.waiting_bytes(), kernel.waiting_bytes());
    EXPECT_FALSE(reader.has_work());
    EXPECT_EQ(poll(), 0u);
    EXPECT_EQ(kernel.waiting_bytes(), 0u);
  }
}

TEST_F(RingReaderTest, GivesRoomBackToAFullRing) {
  std::uint32_t put = 0, read = 0;
  while (read < 500) {
    while (kernel.put(put, 100 + put % 50)) ++put;
    const std::size_t count = poll();
    ASSERT_EQ(count, batch.size());
    for (std::size_t at = 0; at < count; ++at, ++read) expect(at, read, 100 + read % 50);
  }
}

TEST_F(RingReaderTest, StopsAtARecordThatIsStillWritten) {
  ASSERT_TRUE(kernel.put(1, 60));
  ASSERT_TRUE(kernel.put(2, 60, BPF_RINGBUF_BUSY_BIT));
  EXPECT_EQ(poll(), 1u);
  EXPECT_FALSE(reader.has_work());
  EXPECT_EQ(poll(), 0u);
  kernel.finish_last();
  EXPECT_TRUE(reader.has_work());
  ASSERT_EQ(poll(), 1u);
  expect(0, 2, 60);
}

TEST_F(RingReaderTest, PassesOverWhatTheKernelThrewAwayAndWhatMakesNoSense) {
  ASSERT_TRUE(kernel.put(1, 60, BPF_RINGBUF_DISCARD_BIT));
  ASSERT_TRUE(kernel.put(2, 60, 0, 1));  // longer than its record
  ASSERT_TRUE(kernel.put(3, 60));
  ASSERT_EQ(poll(), 1u);
  expect(0, 3, 60);
  EXPECT_EQ(reader.unreadable(), 1u);  // the other has been counted where it was thrown away
}

}  // namespace
}  // namespace hoptap::bpf
