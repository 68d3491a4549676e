// The store killed at any moment, and on a disk that is full.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "demo_run.h"
#include "export/store/store.h"

namespace hoptap::exporting {
namespace {

using testing::TestFolder;

InboxBatch batch(std::uint64_t sequence) {
  return {"instance", "probe", sequence, 4, "raw", std::string(2000, static_cast<char>('a' + sequence % 26)), ""};
}

/// Appends from `sequence` on and says each number that is acknowledged, until it is killed.
[[noreturn]] void write_until_killed(const std::string& folder, int acknowledged) {
  auto store = Store::open({.folder = folder, .retention = {}});
  if (!store) ::_exit(1);
  std::uint64_t sequence = *(*store)->last_sequence("instance");
  while (true) {
    ++sequence;
    if (!(*store)->append(std::vector{batch(sequence)})) ::_exit(2);
    if (::write(acknowledged, &sequence, sizeof sequence) != sizeof sequence) ::_exit(3);
  }
}

/// Runs a writer until it has acknowledged `count` batches, then kills it. @return the last one acknowledged; 0: none
std::uint64_t run_and_kill(const std::string& folder, std::uint64_t count) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe_ends[0]);
    write_until_killed(folder, pipe_ends[1]);
  }
  ::close(pipe_ends[1]);
  std::uint64_t last = 0;
  for (std::uint64_t at = 0; at < count; ++at) {
    if (::read(pipe_ends[0], &last, sizeof last) != sizeof last) break;
  }
  ::kill(child, SIGKILL);
  std::uint64_t more = 0;
  while (::read(pipe_ends[0], &more, sizeof more) == sizeof more) last = more;
  ::close(pipe_ends[0]);
  ::waitpid(child, nullptr, 0);
  return last;
}

TEST(Crash, NothingAcknowledgedIsLostOrThereTwice) {
  const TestFolder folder;
  std::uint64_t acknowledged = 0;
  for (std::uint64_t round = 1; round <= 20; ++round) {
    const std::uint64_t last = run_and_kill(folder.path(), 1 + round * 7 % 11);
    ASSERT_GT(last, acknowledged);
    acknowledged = last;
  }
  auto store = Store::open({.folder = folder.path(), .retention = {}});
  ASSERT_TRUE(store);
  const auto batches = (*store)->read_inbox(0, 100000);
  ASSERT_TRUE(batches);
  ASSERT_GE(batches->size(), acknowledged);
  for (std::size_t at = 0; at < batches->size(); ++at) {
    EXPECT_EQ((*batches)[at].sequence, at + 1);
    EXPECT_EQ((*batches)[at].payload, batch(at + 1).payload);
  }
}

class SmallDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small disk";
    mounted_ = ::mount("none", folder_.path().c_str(), "tmpfs", 0, "size=4m") == 0;
    if (!mounted_) GTEST_SKIP() << "cannot mount a small disk here";
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }

  TestFolder folder_;
  bool mounted_ = false;
};

TEST_F(SmallDisk, SaysThatItIsFullAndGoesOnWhenThereIsRoom) {
  const std::string filler = folder_.path() + "/filler";
  std::ofstream(filler) << std::string(1u << 20, 'x');
  auto store = Store::open({.folder = folder_.path() + "/store", .retention = {}});
  ASSERT_TRUE(store) << store.error().what;
  std::uint64_t sequence = 0;
  base::Outcome<void> done;
  while (done && sequence < 100000) done = (*store)->append(std::vector{batch(++sequence)});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().what.find("is full; make room"), std::string::npos) << done.error().what;
  EXPECT_FALSE((*store)->append(std::vector{batch(sequence)})) << "still full";
  EXPECT_EQ(*(*store)->last_sequence("instance"), sequence - 1);
  EXPECT_EQ((*store)->read_inbox(0, 100000)->size(), sequence - 1);
  EXPECT_GE((*store)->counters().write_failures, 2u);
  EXPECT_EQ((*store)->counters().inbox_batches, sequence - 1);

  std::filesystem::remove(filler);
  const auto again = (*store)->append(std::vector{batch(sequence)});
  ASSERT_TRUE(again) << again.error().what;
  store->reset();
  auto reopened = Store::open({.folder = folder_.path() + "/store", .retention = {}});
  ASSERT_TRUE(reopened) << reopened.error().what;
  EXPECT_EQ((*reopened)->read_inbox(0, 100000)->size(), sequence);
}

}  // namespace
}  // namespace hoptap::exporting
