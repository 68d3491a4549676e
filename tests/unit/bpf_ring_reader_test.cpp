// The head tap's ring, with a stand-in for the program in the kernel that writes it.
#include "bpf-optional/ring_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bpf-optional/head_record.h"

namespace hoptap::bpf {
namespace {

constexpr std::uint32_t kChunks = 6, kCpus = 3;
constexpr std::uint64_t kOffsetNs = 1'000'000;

/// As kernel/chunks.bpf.h does it.
class KernelRing {
 public:
  RingMemory memory() { return {shared_.get(), bytes_.data(), kChunks, kCpus}; }

  /// Time and filling are `number`. False when there is no room.
  bool put(std::uint32_t cpu, std::uint32_t number, std::size_t captured_bytes, std::uint32_t lie_bytes = 0) {
    const std::size_t bytes =
        (sizeof(head_record) + captured_bytes + HEAD_ALIGNMENT - 1) / HEAD_ALIGNMENT * HEAD_ALIGNMENT;
    head_cpu& mine = shared_->cpus[cpu];
    if ((mine.position == 0 || (mine.position & HEAD_AT_MASK) + bytes > HEAD_CHUNK_BYTES) && !take(mine)) return false;
    std::uint8_t* const at = start(mine.position) + (mine.position & HEAD_AT_MASK);
    const head_record head{.time_ns = number,
                           .wire_bytes = 9000 + number,
                           .captured_bytes = static_cast<std::uint32_t>(captured_bytes) + lie_bytes};
    std::memcpy(at, &head, sizeof(head));
    std::fill_n(at + sizeof(head), captured_bytes, static_cast<std::uint8_t>(number));
    publish(mine.position, mine.position + bytes);
    publish(mine.last_ns, number);
    return true;
  }
  /// Where the CPU's chunk ends and which is the next, as no program would write it.
  void garble(std::uint32_t cpu, std::uint32_t end, std::uint32_t next) {
    auto* const last = reinterpret_cast<head_chunk*>(start(shared_->cpus[cpu].position));
    last->end = end;
    last->next = next;
    publish(shared_->cpus[cpu].position,
            shared_->cpus[cpu].position + (1ull << HEAD_TAKEN_SHIFT) + (1ull << HEAD_CHUNK_SHIFT));
  }
  void unfinish(std::uint32_t cpu) { shared_->cpus[cpu].last_ns = 0; }

  std::uint32_t free_chunks() const {
    std::uint32_t count = 0;
    for (auto top = static_cast<std::uint32_t>(shared_->free); top != 0; ++count) top = chunk(top - 1)->next;
    return count;
  }

 private:
  static void publish(unsigned long long& to, std::uint64_t value) {
    std::atomic_ref(to).store(value, std::memory_order_release);
  }
  head_chunk* chunk(std::uint32_t number) const {
    return reinterpret_cast<head_chunk*>(const_cast<std::uint8_t*>(bytes_.data()) +
                                         std::size_t{number} * HEAD_CHUNK_BYTES);
  }
  std::uint8_t* start(std::uint64_t position) const {
    return reinterpret_cast<std::uint8_t*>(
        chunk(static_cast<std::uint32_t>(position >> HEAD_CHUNK_SHIFT & HEAD_CHUNK_MASK)));
  }
  bool take(head_cpu& mine) {
    std::atomic_ref free(shared_->free);
    unsigned long long top = free.load(), below = 0;
    std::uint32_t number = 0;
    do {
      if (static_cast<std::uint32_t>(top) == 0) return false;
      number = static_cast<std::uint32_t>(top) - 1;
      below = ((top >> 32) + 1) << 32 | std::atomic_ref(chunk(number)->next).load();
    } while (!free.compare_exchange_weak(top, below));
    std::atomic_ref(chunk(number)->next).store(0);
    if (mine.position == 0) {
      mine.first = number + 1;
    } else {
      auto* const full = reinterpret_cast<head_chunk*>(start(mine.position));
      full->end = mine.position & HEAD_AT_MASK;
      std::atomic_ref(full->next).store(number + 1);
    }
    const std::uint64_t takes = (mine.position >> HEAD_TAKEN_SHIFT) + 1;
    publish(mine.position,
            takes << HEAD_TAKEN_SHIFT | std::uint64_t{number} << HEAD_CHUNK_SHIFT | std::uint64_t{HEAD_CHUNK_BEGIN});
    return true;
  }

  std::unique_ptr<head_shared> shared_ = std::make_unique<head_shared>();
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(std::size_t{kChunks} * HEAD_CHUNK_BYTES);
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

TEST_F(RingReaderTest, PassesOverAGarbledChain) {
  for (const auto& [end, next] :
       {std::pair(0u, 0u), {0u, kChunks + 1}, {0u, UINT32_MAX}, {UINT32_MAX, 1u}, {1u << 20, 2u}}) {
    KernelRing garbled;
    RingReader there(garbled.memory());
    ASSERT_TRUE(garbled.put(0, 1, 100));
    garbled.garble(0, end, next);
    for (int turn = 0; turn < 5; ++turn) EXPECT_LE(there.poll(batch, 0), batch.size());
    EXPECT_GE(there.unreadable(), 1u) << end << ' ' << next;
    EXPECT_FALSE(there.has_work());
  }
}

TEST_F(RingReaderTest, LendsUntilTheNextPollWhateverTheLengthAndPlace) {
  EXPECT_FALSE(reader.has_work());
  EXPECT_EQ(poll(), 0u);
  for (std::uint32_t number = 1; number < 4000; ++number) {  // many chunks
    const std::size_t bytes = 1 + number * 37 % 900;
    ASSERT_TRUE(kernel.put(1, number, bytes));
    ASSERT_TRUE(reader.has_work());
    ASSERT_GT(reader.waiting_bytes(), bytes);
    ASSERT_EQ(poll(), 1u);
    expect(0, number, bytes);
    EXPECT_LT(reader.waiting_bytes(), HEAD_CHUNK_BYTES);
    EXPECT_FALSE(reader.has_work());
    EXPECT_EQ(poll(), 0u);
    ASSERT_EQ(kernel.free_chunks(), kChunks - 1);
  }
}

TEST_F(RingReaderTest, KeepsAChunkUntilItsLastPacketIsGivenBack) {
  constexpr std::size_t kHalf = HEAD_CHUNK_BYTES / 2;
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(kernel.put(0, number, kHalf));
  EXPECT_EQ(kernel.free_chunks(), kChunks - 3);
  ASSERT_EQ(poll(), 3u);
  EXPECT_EQ(kernel.free_chunks(), kChunks - 3);
  for (std::uint32_t at = 0; at < 3; ++at) expect(at, at + 1, kHalf);
  EXPECT_EQ(poll(), 0u);
  EXPECT_EQ(kernel.free_chunks(), kChunks - 1);
}

TEST_F(RingReaderTest, GivesRoomBackToAFullRing) {
  std::uint32_t put = 1, read = 1, refused = 0;
  while (read < 20'000) {
    while (kernel.put(put % 2, put, 100 + put % 50)) ++put;
    ++refused;
    while (const std::size_t count = poll()) {
      for (std::size_t at = 0; at < count; ++at, ++read) expect(at, read, 100 + read % 50);
    }
    ASSERT_EQ(read, put);
  }
  EXPECT_GT(refused, 5u);
}

TEST_F(RingReaderTest, AnIdleCpuKeepsNoOthersBack) {
  ASSERT_TRUE(kernel.put(2, 1, 10));  // and nothing more
  std::uint32_t number = 2;
  for (; kernel.put(0, number, 1000); ++number) {
  }
  EXPECT_GT(number, (kChunks - 2) * (HEAD_CHUNK_BYTES / 1100));
  std::uint32_t read = 0;
  while (const std::size_t count = poll()) read += static_cast<std::uint32_t>(count);
  EXPECT_EQ(read, number - 1);
  EXPECT_EQ(kernel.free_chunks(), kChunks - 2);
}

TEST_F(RingReaderTest, BringsTheCpusRecordsIntoOrder) {
  std::uint32_t put = 1, read = 1;
  for (std::uint32_t round = 1; round < 600; ++round) {
    for (std::uint32_t n = 0; n < round % 15; ++n, ++put)
      ASSERT_TRUE(kernel.put(put * put / 3 % kCpus, put, put % 300));
    for (std::size_t count = poll(), at = 0; at < count; ++at, ++read) expect(at, read, read % 300);
  }
  while (const std::size_t count = poll()) {
    for (std::size_t at = 0; at < count; ++at, ++read) expect(at, read, read % 300);
  }
  EXPECT_EQ(read, put);
}

TEST_F(RingReaderTest, HoldsBackWhatAnotherCpuMayComeBefore) {
  ASSERT_TRUE(kernel.put(0, 10, 60));
  kernel.unfinish(0);  // as if it was whole only behind the reader's look at the times
  EXPECT_EQ(poll(), 0u);
  ASSERT_TRUE(kernel.put(1, 9, 60));
  ASSERT_EQ(poll(), 1u);
  expect(0, 9, 60);
  EXPECT_TRUE(reader.has_work());
  ASSERT_TRUE(kernel.put(1, 11, 60));
  ASSERT_EQ(poll(), 2u);
  expect(0, 10, 60);
  expect(1, 11, 60);
}

/// CPUs that hand one connection's packets to each other, while the reader reads.
TEST_F(RingReaderTest, KeepsTheOrderOfPacketsThatGoFromCpuToCpu) {
  constexpr std::uint32_t kRecords = 20'000;
  std::atomic<std::uint32_t> turn{1};
  std::vector<std::thread> cpus;
  for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu) {
    cpus.emplace_back([&, cpu] {
      for (std::uint32_t number = turn; number <= kRecords; number = turn) {
        if (number / 3 * 7 % kCpus != cpu || !kernel.put(cpu, number, number % 200)) {
          std::this_thread::yield();
        } else {
          turn = number + 1;
        }
      }
    });
  }
  std::uint32_t read = 1;
  bool in_order = true;
  while (read <= kRecords && in_order) {
    const std::size_t count = poll();
    for (std::size_t at = 0; at < count; ++at, ++read) in_order = in_order && batch[at].time_ns == read + kOffsetNs;
    if (count == 0) std::this_thread::yield();
  }
  turn = kRecords + 1;
  for (std::thread& cpu : cpus) cpu.join();
  EXPECT_TRUE(in_order) << "at " << read;
}

TEST_F(RingReaderTest, PassesOverWhatMakesNoSense) {
  ASSERT_TRUE(kernel.put(0, 1, 60));
  ASSERT_TRUE(kernel.put(0, 2, 60, 100));  // longer than what is there
  ASSERT_EQ(poll(), 1u);
  expect(0, 1, 60);
  EXPECT_EQ(reader.unreadable(), 1u);
  ASSERT_TRUE(kernel.put(0, 3, 60));
  ASSERT_EQ(poll(), 1u);
  expect(0, 3, 60);
}

}  // namespace
}  // namespace hoptap::bpf
