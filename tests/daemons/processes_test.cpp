// Who holds which socket: what /proc and control groups say, and what is kept of it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>

#include "appliance/processes/cgroup_names.h"
#include "appliance/processes/container_id.h"
#include "appliance/processes/finder.h"
#include "appliance/processes/proc_scan.h"
#include "appliance/processes/socket_owners.h"

namespace hoptap::test {
namespace {

using namespace hoptap::appliance;  // NOLINT(google-build-using-namespace): all of it is under test

constexpr std::uint8_t kTcp = 6, kUdp = 17;
const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

base::Endpoint at(std::string_view address, std::uint16_t port) {
  return {base::IpAddress::from_text(address).value(), port};
}

std::vector<ProcSocket> sockets_of(std::string_view text, std::uint8_t transport = kTcp,
                                   std::uint64_t network_namespace = 0) {
  std::vector<ProcSocket> found;
  each_proc_socket(text, transport, network_namespace, [&](const ProcSocket& one) { found.push_back(one); });
  return found;
}

// As a processor with the lowest byte first writes them, which all are that tests run on.
static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kTcp4 =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000 100 0 0 10 "
    "0\n"
    "   1: 0102000A:0050 0201A8C0:C001 01 00000000:00000000 02:000A7214 00000000  1000        0 4711 2 0000 20 4 30 10 "
    "-1\n"
    "   2: 0102000A:0050 0201A8C0:C002 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000\n"
    "   3: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 18446744073709551615 "
    "1\n"
    "   4: 0102000A:0050 0201A8C0";

TEST(ProcSockets, AreReadAsTheKernelWritesThem) {
  const auto found = sockets_of(kTcp4, kTcp, 77);
  ASSERT_EQ(found.size(), 2u) << "not one that listens, is in TIME_WAIT or is cut";
  EXPECT_EQ(found[0].key, (SocketKey{kTcp, at("10.0.2.1", 80), at("192.168.1.2", 0xc001), 0}));
  EXPECT_EQ(found[0].inode, 4711u);
  EXPECT_EQ(found[1].key, (SocketKey{kTcp, at("127.0.0.1", 8080), at("127.0.0.1", 0xd431), 77}))
      << "loopback is another one in each namespace";
  EXPECT_EQ(found[1].inode, UINT64_MAX);
  EXPECT_EQ(sockets_of(kTcp4, kUdp).at(0).key.transport, kUdp);
}

TEST(ProcSockets, OfIpv6AreTooAndIpv4InThemIsIpv4) {
  const auto found = sockets_of(
      "   0: B80D0120000000000000000001000000:0050 B80D0120000000000000000002000000:8001 01 00000000:00000000 "
      "00:00000000 00000000     0        0 5 1\n"
      "   1: 0000000000000000FFFF00000102000A:0050 0000000000000000FFFF00000201A8C0:C001 01 00000000:00000000 "
      "00:00000000 00000000     0        0 6 1\n"
      "   2: 00000000000000000000000001000000:0050 00000000000000000000000001000000:C001 01 00000000:00000000 "
      "00:00000000 00000000     0        0 7 1\n",
      kTcp, 8);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].key, (SocketKey{kTcp, at("2001:db8::1", 80), at("2001:db8::2", 0x8001), 0}));
  EXPECT_EQ(found[1].key, (SocketKey{kTcp, at("10.0.2.1", 80), at("192.168.1.2", 0xc001), 0}));
  EXPECT_EQ(found[2].key, (SocketKey{kTcp, at("::1", 80), at("::1", 0xc001), 8}));
}

TEST(ProcSockets, OfNonsenseAreNone) {
  for (const std::string_view text :
       {"", "\n\n", "x", "0: G102000A:0050 0201A8C0:C001 01 0 0 0 0 0 5",
        "0: 0102000A:0050 0201A8C0:10000 01 0 0 0 0 0 5", "0: 0102000A 0201A8C0 01 0 0 0 0 0 5",
        "0: 0102000A:0050 0201A8C0:C001 01 0 0 0 0 0 -5", "0: 0102000A00:0050 0201A8C0:C001 01 0 0 0 0 0 5"})
    EXPECT_TRUE(sockets_of(text).empty()) << text;
  EXPECT_EQ(inode_of_link("socket:[4711]"), 4711u);
  for (const std::string_view link : {"", "socket:[]", "socket:[x]", "socket:[1", "pipe:[1]", "/dev/null"})
    EXPECT_EQ(inode_of_link(link), 0u) << link;
}

TEST(ContainerId, IsInTheNamesThatEnginesGive) {
  for (const std::string& path :
       {"/docker/" + kId, "/system.slice/docker-" + kId + ".scope", "/docker/" + kId + "/init",
        "/kubepods/burstable/pod6f2d3c1a-9a3e-4c3b-8a57-2d6f5b1e9a10/" + kId,
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod6f2d.slice/cri-containerd-" + kId + ".scope",
        "/kubepods.slice/kubepods-pod6f2d.slice/crio-" + kId + ".scope",
        "/system.slice/containerd.service/kubepods-burstable-pod6f2d.slice:cri-containerd:" + kId,
        "/machine.slice/libpod-" + kId + ".scope/container", "/libpod_parent/libpod-" + kId,
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope", "/ecs/task/" + kId,
        "/docker/" + std::string(64, 'a') + "/docker/" + kId, "/../" + kId}) {
    EXPECT_EQ(container_of_path(path), kId) << path;
    EXPECT_EQ(container_of_file("12:pids:" + path + "\n0::/\n"), kId) << path;
    EXPECT_EQ(container_of_file("0::" + path + "\n"), kId) << path;
  }
}

TEST(ContainerId, IsNotInOthers) {
  for (const std::string& path :
       {std::string("/"), std::string(), std::string("/system.slice/nginx.service"),
        std::string("/user.slice/user-0.slice/session-1.scope"), "/machine.slice/libpod-conmon-" + kId + ".scope",
        "/crio-conmon-" + kId + ".scope", "/docker/" + kId.substr(1), "/docker/x" + kId, "/docker/" + kId + "x",
        "/docker/" + std::string(64, 'A')})
    EXPECT_EQ(container_of_path(path), "") << path;
  EXPECT_EQ(container_of_file("no colons\n0:" + kId + "\n"), "");
}

std::shared_ptr<const flowtable::Process> process(std::uint32_t pid) {
  return std::make_shared<flowtable::Process>(flowtable::Process{.pid = pid, .name = "x", .container_id = {}});
}

SocketKey key_of(std::uint16_t port) { return {kTcp, at("10.0.0.1", 80), at("10.0.0.2", port), 0}; }

std::uint32_t pid_at(SocketOwners& owners, const SocketUse& use, std::uint16_t port = 1) {
  const auto found = owners.at(key_of(port), use);
  return found ? found->pid : 0;
}

TEST(SocketOwners, AreThoseOfTheTime) {
  SocketOwners owners;
  owners.put(key_of(1), {.process = process(7), .from_ns = 100, .until_ns = 200});
  EXPECT_EQ(pid_at(owners, {0, 100, {}}), 7u);
  EXPECT_EQ(pid_at(owners, {200, 900, {}}), 7u);
  EXPECT_EQ(pid_at(owners, {0, 99, {}}), 0u) << "another may have had it before";
  EXPECT_EQ(pid_at(owners, {201, 300, {}}), 0u);
  EXPECT_EQ(pid_at(owners, {100, 200, {}}, 2), 0u);
  owners.put(key_of(1), {.process = process(8), .from_ns = 300});
  EXPECT_EQ(pid_at(owners, {250, 300, {}}), 8u);
  EXPECT_EQ(pid_at(owners, {150, 180, {}}), 7u) << "records come late";
}

TEST(SocketOwners, EndWithTheirSocket) {
  SocketOwners owners;
  owners.put(key_of(1), {.process = process(7), .from_ns = 100});
  owners.end(key_of(1), 0, 200);
  EXPECT_EQ(pid_at(owners, {150, 160, {}}), 7u);
  EXPECT_EQ(pid_at(owners, {210, UINT64_MAX, {}}), 0u) << "a server that reads nothing is not its predecessor";
  owners.end(key_of(1), 0, 300);
  owners.put(key_of(1), {.process = process(9), .from_ns = 350});
  EXPECT_EQ(pid_at(owners, {210, UINT64_MAX, {}}), 0u) << "nor its successor";
  EXPECT_EQ(pid_at(owners, {310, UINT64_MAX, {}}), 9u) << "which read late";
  EXPECT_EQ(pid_at(owners, {310, 340, {}}), 0u);
}

TEST(SocketOwners, AreKnownToTheirEndThoughTheNextBeginsAtOnce) {
  SocketOwners owners;
  owners.put(key_of(1), {.process = process(7), .from_ns = 100});
  owners.end(key_of(1), 0, 300);
  owners.put(key_of(1),
             {.process = process(8), .from_ns = 200, .network_namespace = 2});  // 400, less what clocks differ
  EXPECT_EQ(pid_at(owners, {250, 260, 5}), 7u);
  EXPECT_EQ(pid_at(owners, {350, 450, 6}), 8u);
}

TEST(SocketOwners, OfTwoNamespacesAtOnceAreNamedForNeither) {
  SocketOwners owners;
  owners.put(key_of(1), {.process = process(7), .from_ns = 100, .network_namespace = 1});
  owners.put(key_of(1), {.process = process(8), .from_ns = 200, .network_namespace = 2});
  EXPECT_EQ(pid_at(owners, {250, 260, {}}), 0u);
  owners.end(key_of(1), 1, 300);
  EXPECT_EQ(pid_at(owners, {350, 360, {}}), 0u);
  owners.put(key_of(1), {.process = process(9), .from_ns = 400, .network_namespace = 2});
  EXPECT_EQ(pid_at(owners, {450, 460, {}}), 0u) << "which of them is still open is not known";
  owners.end(key_of(1), 2, 500);
  owners.end(key_of(1), 2, 510);
  owners.put(key_of(1), {.process = process(10), .from_ns = 600, .network_namespace = 1});
  EXPECT_EQ(pid_at(owners, {650, 660, {}}), 10u);
  owners.end(key_of(1), 2, 700);
  EXPECT_EQ(pid_at(owners, {750, 760, {}}), 10u) << "the end of another's";
}

TEST(SocketOwners, SeenNowAndThenAreToldApartByTheirConnections) {
  SocketOwners owners;
  const auto seen = [&](std::uint32_t pid, std::uint64_t inode, std::uint64_t now) {
    owners.put(key_of(1),
               {.process = process(pid), .from_ns = now - 200, .until_ns = now + 200, .inode = inode, .seen_ns = now});
  };
  seen(7, 70, 1000);
  EXPECT_EQ(pid_at(owners, {1000, 1010, 5}), 7u);
  EXPECT_EQ(pid_at(owners, {1100, 1110, 6}), 0u) << "the next connection of the same addresses and ports";
  EXPECT_EQ(pid_at(owners, {1100, 1110, 5}), 7u);
  seen(7, 70, 1100);
  seen(8, 80, 1200);
  EXPECT_EQ(pid_at(owners, {1150, 1160, 5}), 7u);
  EXPECT_EQ(pid_at(owners, {1150, 1160, 6}), 0u) << "before it was seen first it may be another";
  EXPECT_EQ(pid_at(owners, {1150, 1220, 6}), 8u);
  owners.put(key_of(2), {.process = process(9), .inode = 90, .seen_ns = 1000});
  owners.end(key_of(2), 0, 900);
  EXPECT_EQ(pid_at(owners, {1100, 1110, {}}, 2), 9u) << "what ended before it was seen is another";
}

TEST(SocketOwners, AreDescribedBetterLater) {
  SocketOwners owners;
  owners.put(key_of(1), {.process = process(7), .from_ns = 100});
  owners.put(key_of(1), {.process = process(8), .from_ns = 200});
  owners.describe(key_of(1), 100, process(9));
  owners.describe(key_of(1), 150, process(10));
  EXPECT_EQ(pid_at(owners, {110, 120, {}}), 9u);
  EXPECT_EQ(pid_at(owners, {210, 220, {}}), 8u);
}

TEST(SocketOwners, ForgetTheOldestAndCountThem) {
  constexpr std::uint16_t kMost = 1000;
  SocketOwners owners(kMost);
  for (int round = 0; round < 3; ++round)
    for (std::uint16_t port = 0; port < 400; ++port) owners.put(key_of(port), {.process = process(1)});
  EXPECT_EQ(owners.evicted(), 0u);
  for (std::uint16_t port = 0; port < 5000; ++port) {
    owners.put(key_of(port), {.process = process(port + 1u), .from_ns = port + 1u});
    if (port % 2 == 0) owners.end(key_of(port), 0, port + 1u);
  }
  std::uint64_t known = 0;
  for (std::uint16_t port = 0; port < 5000; ++port)
    known += pid_at(owners, {port + 1u, port + 1u, {}}, port) == port + 1u ? 1 : 0;
  EXPECT_EQ(owners.evicted(), (5000u - known) / 2) << "those that were closed are not missed";
  EXPECT_GE(known, kMost / 2u);
  EXPECT_LE(known, kMost);
  EXPECT_EQ(pid_at(owners, {5000, 5000, {}}, 4999), 5000u);
}

/// A folder that is gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/hoptap-processes-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  void write(const std::string& name, std::string_view text) const {
    const std::filesystem::path file = path_ + "/" + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void link(const std::string& name, const char* to) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::filesystem::create_symlink(to, path_ + "/" + name);
  }

 private:
  std::string path_;
};

TEST(ProcScan, FindsWhoHoldsASocket) {
  const Folder proc;
  for (const char* pid : {"41", "42", "43"}) {
    proc.write(std::string(pid) + "/ns/net", "");
    proc.write(std::string(pid) + "/comm", "nginx\n");
    proc.write(std::string(pid) + "/cgroup", "0::/docker/" + kId + "\n");
  }
  proc.write("self/fd/0", "");
  proc.write("41/net/tcp", kTcp4);
  proc.link("42/fd/0", "/dev/null");
  proc.link("42/fd/9", "socket:[4711]");
  proc.link("42/fd/10", "socket:[999]");
  std::filesystem::create_directories(proc.path() + "/43/fd");
  ProcScan scan(proc.path());
  const std::vector<HeldSocket> held = scan.look();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].key, (SocketKey{kTcp, at("10.0.2.1", 80), at("192.168.1.2", 0xc001), 0}));
  EXPECT_EQ(*held[0].process, (flowtable::Process{.pid = 42, .name = "nginx", .container_id = kId}));
  EXPECT_EQ(held[0].network_namespace, namespace_inode(proc.path() + "/41/ns/net"));
  EXPECT_EQ(scan.counts().processes, 3u);
  EXPECT_EQ(scan.counts().unreadable, 1u) << "41 shows no descriptors";
  EXPECT_EQ(scan.look().at(0).process, held[0].process) << "what has not changed is the same value";
  proc.write("42/comm", "other\n");
  EXPECT_EQ(scan.look().at(0).process->name, "other");
}

TEST(CgroupNames, TellTheContainerByTheNumber) {
  const Folder groups;
  const std::string inner = groups.path() + "/system.slice/docker-" + kId + ".scope/inner";
  std::filesystem::create_directories(inner);
  std::filesystem::create_directories(groups.path() + "/system.slice/nginx.service");
  CgroupNames names(groups.path());
  EXPECT_EQ(names.container_of(namespace_inode(inner)), kId);
  EXPECT_EQ(names.container_of(namespace_inode(groups.path() + "/system.slice/nginx.service")), "");
  std::filesystem::create_directories(groups.path() + "/new");
  EXPECT_EQ(names.container_of(namespace_inode(groups.path() + "/new")), std::nullopt) << "not twice a second";
}

}  // namespace
}  // namespace hoptap::test
