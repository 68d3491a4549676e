// The spool: what it keeps, what it drops, and that nothing takes away what it said it has.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "export/sqlite/sqlite.h"
#include "tests/transport/rig.h"

namespace hoptap::exporting {
namespace {

std::vector<std::uint64_t> numbers(Spool& spool, std::uint64_t after = 0) {
  std::vector<std::uint64_t> found;
  const auto batches = spool.next(after, 100'000, ~0ull);
  EXPECT_TRUE(batches);
  if (batches) {
    for (const SpooledBatch& batch : *batches) found.push_back(batch.sequence);
  }
  spool.none_on_their_way();
  return found;
}

using Numbers = std::vector<std::uint64_t>;

TEST(Spool, KeepsBatchesInOrderAndWhatTheyWere) {
  const Folder folder;
  std::string instance;
  {
    const auto spool = open_spool(folder);
    instance = spool->instance();
    EXPECT_EQ(instance.size(), 16u);
    EXPECT_EQ(spool->mark(), "");
    append(*spool, 3);
    ASSERT_TRUE(spool->append(std::string("\0zero", 5), 7, std::string("m\0", 2)));
  }
  const auto spool = open_spool(folder);
  EXPECT_EQ(spool->instance(), instance);
  EXPECT_EQ(spool->mark(), std::string("m\0", 2));
  EXPECT_EQ(spool->last_sequence(), 4u);
  const auto batches = spool->next(1, 100, ~0ull);
  ASSERT_TRUE(batches);
  ASSERT_EQ(batches->size(), 3u);
  EXPECT_EQ((*batches)[0].payload, payload_of(2));
  EXPECT_EQ((*batches)[2].payload, std::string("\0zero", 5));
  EXPECT_EQ((*batches)[2].records, 7u);
  EXPECT_EQ(spool->counters().waiting_records, 37u);
}

TEST(Spool, GivesOutNoMoreThanAskedButAlwaysOne) {
  const Folder folder;
  const auto spool = open_spool(folder);
  append(*spool, 5, 1000);
  EXPECT_EQ(spool->next(0, 2, ~0ull)->size(), 2u);
  EXPECT_EQ(spool->next(0, 5, 2500)->size(), 2u);
  EXPECT_EQ(spool->next(0, 5, 1)->size(), 1u);
  EXPECT_TRUE(spool->next(5, 5, 1)->empty());
}

TEST(Spool, ForgetsWhatIsAcknowledgedAndNeverUsesANumberTwice) {
  const Folder folder;
  {
    const auto spool = open_spool(folder);
    append(*spool, 4);
    ASSERT_TRUE(spool->acknowledge(3));
    ASSERT_TRUE(spool->acknowledge(2));  // late, and known
    EXPECT_EQ(numbers(*spool), Numbers{4});
    ASSERT_TRUE(spool->acknowledge(4));
    EXPECT_EQ(spool->counters().waiting_bytes, 0u);
    EXPECT_EQ(spool->counters().acknowledged_batches, 4u);
  }
  const auto spool = open_spool(folder);
  EXPECT_EQ(spool->acknowledged(), 4u);
  append(*spool, 1);
  EXPECT_EQ(numbers(*spool), Numbers{5});
}

TEST(Spool, RefusesAnAcknowledgementOfWhatItNeverHad) {
  const Folder folder;
  const auto spool = open_spool(folder);
  append(*spool, 1);
  const auto done = spool->acknowledge(2);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().what.find("old copy"), std::string::npos);
  EXPECT_EQ(numbers(*spool), Numbers{1});
}

TEST(Spool, DropsTheOldestThatAreNotOnTheirWay) {
  const Folder folder;
  const auto spool = open_spool(folder, {.bytes_max = 500, .when_full = WhenFull::kDropOldest});
  append(*spool, 5);
  ASSERT_EQ(spool->next(0, 2, ~0ull)->size(), 2u);  // 1 and 2 are on their way
  append(*spool, 2);
  EXPECT_EQ(spool->counters().dropped_batches, 2u);
  EXPECT_EQ(spool->counters().dropped_records, 20u);
  EXPECT_EQ(numbers(*spool), (Numbers{1, 2, 5, 6, 7}));
  append(*spool, 1);  // none is on its way any more
  EXPECT_EQ(numbers(*spool), (Numbers{2, 5, 6, 7, 8}));
}

TEST(Spool, DropsTheNewOneWhenAllAreOnTheirWay) {
  const Folder folder;
  const auto spool = open_spool(folder, {.bytes_max = 200, .when_full = WhenFull::kDropOldest});
  append(*spool, 2);
  ASSERT_EQ(spool->next(0, 2, ~0ull)->size(), 2u);
  const auto appended = spool->append(payload_of(3), 10, "mark 3");
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->result, AppendResult::kDropped);
  EXPECT_EQ(numbers(*spool), (Numbers{1, 2}));
}

TEST(Spool, DropsTheNewestAndStillRemembersTheMark) {
  const Folder folder;
  const auto spool = open_spool(folder, {.bytes_max = 250, .when_full = WhenFull::kDropNewest});
  append(*spool, 2);
  const auto appended = spool->append(payload_of(3), 10, "mark 3");
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->result, AppendResult::kDropped);
  EXPECT_EQ(spool->mark(), "mark 3");
  EXPECT_EQ(spool->counters().dropped_records, 10u);
  ASSERT_TRUE(spool->acknowledge(1));
  append(*spool, 1);
  EXPECT_EQ(numbers(*spool), (Numbers{2, 4}));
}

TEST(Spool, KeepsTheWriterWaitingUntilThereIsRoom) {
  const Folder folder;
  const auto spool = open_spool(folder, {.bytes_max = 250, .when_full = WhenFull::kWait});
  append(*spool, 2);
  const auto appended = spool->append(payload_of(3), 10, "mark 3");
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->result, AppendResult::kFull);
  EXPECT_EQ(spool->mark(), "mark 2");
  EXPECT_FALSE(spool->wait_for_room(std::chrono::milliseconds(0)));
  std::thread tracer([&] { EXPECT_TRUE(spool->acknowledge(1)); });
  EXPECT_TRUE(spool->wait_for_room(kLong));
  tracer.join();
  append(*spool, 1);
  EXPECT_EQ(numbers(*spool), (Numbers{2, 3}));
}

TEST(Spool, RefusesWhatCanNeverFit) {
  const Folder folder;
  const auto spool = open_spool(folder, {.bytes_max = 250});
  EXPECT_FALSE(spool->append(std::string(251, 'x'), 1, "m"));
  EXPECT_FALSE(spool->append("x", 1, std::string(Spool::kMarkBytesMax + 1, 'm')));
  EXPECT_EQ(spool->last_sequence(), 0u);
}

TEST(Spool, TakesAwayOneThatTheTracerRefuses) {
  const Folder folder;
  const auto spool = open_spool(folder);
  append(*spool, 3);
  ASSERT_TRUE(spool->refuse(2));
  ASSERT_TRUE(spool->refuse(2));
  EXPECT_EQ(numbers(*spool), (Numbers{1, 3}));
  EXPECT_EQ(spool->counters().refused_batches, 1u);
}

TEST(Spool, ASecondProcessIsToldWhoHasIt) {
  const Folder folder;
  const auto spool = open_spool(folder);
  const auto second = Spool::open(folder.path(), {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().what.find("in use by process " + std::to_string(::getpid())), std::string::npos)
      << second.error().what;
}

TEST(Spool, SaysThatTheFileIsDamaged) {
  const Folder folder;
  open_spool(folder).reset();
  { std::ofstream(folder.path() + "/spool.sqlite") << std::string(40'000, 'z'); }
  const auto spool = Spool::open(folder.path(), {});
  ASSERT_FALSE(spool);
  EXPECT_NE(spool.error().what.find("is damaged"), std::string::npos) << spool.error().what;
}

TEST(Spool, SaysThatTheFileIsCutShort) {
  const Folder folder;
  {
    const auto spool = open_spool(folder);
    append(*spool, 50, 20'000);
  }
  std::filesystem::resize_file(folder.path() + "/spool.sqlite", 20'000);
  const auto spool = Spool::open(folder.path(), {});
  ASSERT_FALSE(spool);
  EXPECT_NE(spool.error().what.find("is damaged"), std::string::npos) << spool.error().what;
}

TEST(Spool, SaysThatTheFileIsNoneOfItsOwn) {
  const Folder folder;
  open_spool(folder).reset();
  const auto refusal_after = [&](const char* change) {
    auto file = SqliteConnection::open(folder.path() + "/spool.sqlite", SqliteConnection::Mode::kWrite, {});
    (*file)->execute(change);
    EXPECT_TRUE((*file)->outcome("change"));
    file->reset();
    const auto spool = Spool::open(folder.path(), {});
    return spool ? "" : spool.error().what;
  };
  const auto says = [](const std::string& words, const char* part) { return words.find(part) != std::string::npos; };
  EXPECT_EQ(refusal_after(""), "");
  EXPECT_TRUE(says(refusal_after("PRAGMA user_version = 2"), "has format 2, this hoptap reads 1"));
  EXPECT_TRUE(says(refusal_after("PRAGMA user_version = 1; DELETE FROM state"), "has lost its state"));
  EXPECT_TRUE(says(refusal_after("PRAGMA application_id = 7"), "is not a spool of hoptap"));
}

TEST(Spool, FailsInWordsWhereItCannotBeMade) {
  const auto spool = Spool::open("/proc/hoptap/spool", {});
  ASSERT_FALSE(spool);
  EXPECT_NE(spool.error().what.find("/proc/hoptap/spool"), std::string::npos);
  EXPECT_FALSE(Spool::open("", {}));
}

TEST(Spool, KilledAtAnyMomentTheMarkSaysWhatIsStored) {
  const Folder folder;
  std::uint64_t told = 0;
  for (std::uint64_t round = 1; round <= 20; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string said = std::to_string(pipe[1]);
      ::execl("/proc/self/exe", "transport_test", "--append-to", folder.path().c_str(), said.c_str(), nullptr);
      ::_exit(9);
    }
    ::close(pipe[1]);
    for (std::uint64_t at = 0; at < round * 3; ++at) ASSERT_EQ(::read(pipe[0], &told, sizeof told), 8);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    while (::read(pipe[0], &told, sizeof told) == 8) continue;
    ::close(pipe[0]);
    const auto spool = open_spool(folder);
    ASSERT_NE(spool, nullptr);
    const std::uint64_t last = spool->last_sequence();
    EXPECT_TRUE(last == told || last == told + 1) << last << " after " << told;
    EXPECT_EQ(spool->mark(), "mark " + std::to_string(last));
    const Numbers found = numbers(*spool);
    ASSERT_EQ(found.size(), last);
    EXPECT_EQ(found.back(), last);
    EXPECT_EQ(spool->counters().waiting_batches, last);
  }
}

/// A file system of a few MiB, for root.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const std::string& size) : path_(path) {
    std::filesystem::create_directories(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

std::string fill_up(Spool& spool) {
  for (;;) {
    const auto appended = spool.append(payload_of(spool.last_sequence() + 1, 50'000), 1, "m");
    if (!appended) return appended.error().what;
  }
}

TEST(Spool, AFullDiskLosesNothingAndItGoesOnWhenThereIsRoom) {
  const Folder folder;
  const SmallDisk disk(folder.path("disk"), "4m");
  if (!disk.mounted()) GTEST_SKIP() << "needs root, to mount a small disk";
  const std::string other = folder.path("disk") + "/other";
  { std::ofstream(other) << std::string(1u << 20, 'o'); }
  auto spool = Spool::open(folder.path("disk/spool"), {.bytes_max = 100u << 20});
  ASSERT_TRUE(spool) << spool.error().what;
  const std::string words = fill_up(**spool);
  EXPECT_NE(words.find("the disk is full; free some space"), std::string::npos) << words;
  EXPECT_NE(words.find(folder.path("disk/spool")), std::string::npos) << words;
  const std::uint64_t last = (*spool)->last_sequence();
  EXPECT_EQ(numbers(**spool).size(), last);
  EXPECT_EQ((*spool)->counters().write_failures, 1u);
  std::filesystem::remove(other);
  append(**spool, 3, 50'000);
  EXPECT_EQ(numbers(**spool).size(), last + 3);
}

TEST(Spool, WhatIsDeliveredCanBeDeletedOnAFullDisk) {
  const Folder folder;
  const SmallDisk disk(folder.path("disk"), "24m");
  if (!disk.mounted()) GTEST_SKIP() << "needs root, to mount a small disk";
  auto spool = Spool::open(folder.path("disk/spool"), {.bytes_max = 624u << 20});
  ASSERT_TRUE(spool) << spool.error().what;
  fill_up(**spool);
  { std::ofstream(folder.path("disk") + "/other") << std::string(24u << 20, 'o'); }  // the last bytes
  const std::uint64_t last = (*spool)->last_sequence();
  ASSERT_GT(last, 10u);
  const auto done = (*spool)->acknowledge(last - 1);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(numbers(**spool), Numbers{last});
  append(**spool, 5, 50'000);
  spool->reset();
  spool = Spool::open(folder.path("disk/spool"), {.bytes_max = 624u << 20});
  ASSERT_TRUE(spool) << spool.error().what;
  EXPECT_EQ(numbers(**spool).size(), 6u);
}

}  // namespace
}  // namespace hoptap::exporting
