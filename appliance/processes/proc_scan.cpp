#include "appliance/processes/proc_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "appliance/processes/container_id.h"

namespace hoptap::appliance {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17;
constexpr std::size_t kWordDigits = 8;

template <class Number>
std::optional<Number> number_of(std::string_view text, int base) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

/// "0100007F:1F90": each 32 bits of the address as a number of this processor's, the port as it is said.
std::optional<base::Endpoint> endpoint_of(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (colon != kWordDigits && colon != 4 * kWordDigits) return std::nullopt;
  const auto port = number_of<std::uint16_t>(word.substr(colon + 1), 16);
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t at = 0; at < colon; at += kWordDigits) {
    const auto value = number_of<std::uint32_t>(word.substr(at, kWordDigits), 16);
    if (!value) return std::nullopt;
    std::memcpy(bytes.data() + at / 2, &*value, sizeof *value);
  }
  if (!port) return std::nullopt;
  return base::Endpoint{base::IpAddress::from(base::Bytes(bytes).first(colon / 2)), *port};
}

std::optional<ProcSocket> socket_of(std::string_view line) {
  constexpr int kWordsBetween = 6;  // state, queues, timer, retransmissions, user, timeout
  take_word(line);
  const auto local = endpoint_of(take_word(line));
  const auto remote = endpoint_of(take_word(line));
  for (int word = 0; word < kWordsBetween; ++word) take_word(line);
  const auto inode = number_of<std::uint64_t>(take_word(line), 10);
  if (!local || !remote || !inode || remote->port == 0 || *inode == 0) return std::nullopt;
  return ProcSocket{.key = {.local = *local, .remote = *remote}, .inode = *inode};
}

/// The entries of a folder, in the order in which the kernel gives them: of /proc by process id.
template <class Take>
bool each_entry(const std::string& path, Take take) {
  DIR* const folder = ::opendir(path.c_str());
  if (folder == nullptr) return false;
  while (const dirent* const entry = ::readdir(folder)) take(::dirfd(folder), entry->d_name);
  ::closedir(folder);
  return true;
}

std::string_view without_line_end(std::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

void each_proc_socket(std::string_view text, std::uint8_t transport, std::uint64_t network_namespace,
                      const std::function<void(const ProcSocket&)>& take) {
  while (!text.empty()) {
    const std::string_view line = without_line_end(text);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::optional<ProcSocket> socket = socket_of(line);
    if (!socket) continue;
    socket->key.transport = transport;
    if (is_loopback(socket->key.local.address)) socket->key.network_namespace = network_namespace;
    take(*socket);
  }
}

std::uint64_t inode_of_link(std::string_view link) {
  constexpr std::string_view kBegin = "socket:[";
  if (!link.starts_with(kBegin) || !link.ends_with(']')) return 0;
  return number_of<std::uint64_t>(link.substr(kBegin.size(), link.size() - kBegin.size() - 1), 10).value_or(0);
}

std::string read_proc_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text;
  constexpr std::size_t kAtOnce = 32768, kBytesMax = 64u << 20;
  for (ssize_t got = 1; got > 0 && text.size() < kBytesMax;) {
    const std::size_t before = text.size();
    text.resize(before + kAtOnce);
    got = ::read(file, text.data() + before, kAtOnce);
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  ::close(file);
  return text;
}

std::uint64_t namespace_inode(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 ? about.st_ino : 0;
}

void ProcScan::read_tables(const std::string& process, std::uint64_t network_namespace) {
  for (const auto& [name, transport] :
       {std::pair{"/net/tcp", kTcp}, {"/net/tcp6", kTcp}, {"/net/udp", kUdp}, {"/net/udp6", kUdp}}) {
    each_proc_socket(read_proc_file(process + name), transport, network_namespace, [&](const ProcSocket& socket) {
      if (unheld_.size() < SocketOwners::kSocketsMax) {
        unheld_[socket.inode] = {socket.key, network_namespace, socket.inode, nullptr};
      } else {
        ++counts_.left_out;
      }
    });
  }
}

/// The same value as at the last look, when nothing has changed.
std::shared_ptr<const flowtable::Process> ProcScan::describe(const std::string& process, std::uint32_t pid) {
  std::shared_ptr<const flowtable::Process>& entry = seen_[pid];
  if (entry) return entry;
  flowtable::Process now{.pid = pid,
                         .name = std::string(without_line_end(read_proc_file(process + "/comm"))),
                         .container_id = container_of_file(read_proc_file(process + "/cgroup"))};
  const auto before = known_.find(pid);
  entry = before != known_.end() && *before->second == now ? before->second
                                                           : std::make_shared<flowtable::Process>(std::move(now));
  return entry;
}

void ProcScan::read_descriptors(const std::string& process, std::uint32_t pid, std::vector<HeldSocket>& held) {
  const auto look_at = [&](int folder, const char* name) {
    std::array<char, 64> link{};
    const ssize_t bytes = ::readlinkat(folder, name, link.data(), link.size());
    if (bytes <= 0) return;
    const auto found = unheld_.find(inode_of_link({link.data(), static_cast<std::size_t>(bytes)}));
    if (found == unheld_.end()) return;
    found->second.process = describe(process, pid);
    held.push_back(std::move(found->second));
    unheld_.erase(found);
  };
  if (!each_entry(process + "/fd", look_at)) ++counts_.unreadable;
}

std::vector<HeldSocket> ProcScan::look() {
  counts_ = {};
  unheld_.clear();
  known_ = std::exchange(seen_, {});
  std::vector<std::pair<std::uint32_t, std::string>> processes;
  boost::unordered_flat_map<std::uint64_t, bool> namespaces;
  each_entry(root_, [&](int, const char* name) {
    const auto pid = number_of<std::uint32_t>(name, 10);
    if (!pid) return;
    std::string process = root_ + "/" + name;
    const std::uint64_t network_namespace = namespace_inode(process + "/ns/net");
    const bool is_hidden = network_namespace == 0 && (errno == EACCES || errno == EPERM);
    if (network_namespace == 0 && !is_hidden) return;  // it ended, or has only its parent's wait left
    ++counts_.processes;
    if (is_hidden) {  // and then its descriptors are too
      ++counts_.unreadable;
      return;
    }
    if (namespaces.try_emplace(network_namespace, true).second) read_tables(process, network_namespace);
    processes.emplace_back(*pid, std::move(process));
  });
  std::vector<HeldSocket> held;
  for (const auto& [pid, process] : processes) {
    if (unheld_.empty()) break;
    read_descriptors(process, pid, held);
  }
  return held;
}

}  // namespace hoptap::appliance
