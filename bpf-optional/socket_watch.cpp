#include "bpf-optional/socket_watch.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "bpf-optional/clock_offset.h"
#include "bpf-optional/mapping.h"
#include "bpf-optional/owner_event.h"
#include "bpf-optional/program.h"

namespace hoptap::bpf {
namespace {

base::Endpoint endpoint_of(const unsigned char (&address)[16], std::uint16_t port) {
  return {base::IpAddress::from(base::Bytes(address)), port};
}

SocketEvent event_of(const owner_event& from, std::uint64_t clock_offset_ns) {
  return {.local = endpoint_of(from.local, from.local_port),
          .remote = endpoint_of(from.remote, from.remote_port),
          .is_end = from.is_end != 0,
          .time_ns = from.time_ns + clock_offset_ns,
          .network_namespace = from.network_namespace,
          .cgroup = from.cgroup,
          .pid = from.pid,
          .command = std::string(from.command, ::strnlen(from.command, sizeof(from.command)))};
}

struct CloseLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
struct CloseRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

class OpenWatch final : public SocketWatch {
 public:
  explicit OpenWatch(Object object)
      : object_(std::move(object)), shared_(bpf_map__fd(find_map(object_.get(), ".bss")), sizeof(owner_shared)) {}

  base::Outcome<void> begin() {
    ring_.reset(ring_buffer__new(bpf_map__fd(find_map(object_.get(), "owners")), take_one, this, nullptr));
    if (ring_ == nullptr || !shared_.is_mapped())
      return tl::unexpected(refusal("cannot map the ring of the eBPF program", errno, kNeeds));
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object_.get()) {
      std::unique_ptr<bpf_link, CloseLink> link(bpf_program__attach(program));
      if (link == nullptr) return tl::unexpected(refusal("cannot watch sockets", errno, kNeeds));
      links_.push_back(std::move(link));
    }
    return {};
  }

  std::size_t read(const std::function<void(const SocketEvent&)>& take) override {
    take_ = &take;
    offset_.look();
    const int count = ring_buffer__consume(ring_.get());
    return static_cast<std::size_t>(std::max(count, 0));
  }

  std::uint64_t lost() const override {
    return std::atomic_ref(reinterpret_cast<owner_shared*>(shared_.start())->lost).load();
  }

  static constexpr EbpfNeeds kNeeds = EbpfNeeds::kTracing;

 private:
  static int take_one(void* watch, void* bytes, std::size_t size) {
    owner_event event;
    if (size < sizeof(event)) return 0;
    std::memcpy(&event, bytes, sizeof(event));
    const auto& self = *static_cast<OpenWatch*>(watch);
    (*self.take_)(event_of(event, self.offset_.ns()));
    return 0;
  }

  Object object_;
  std::unique_ptr<ring_buffer, CloseRing> ring_;
  std::vector<std::unique_ptr<bpf_link, CloseLink>> links_;
  Mapping shared_;
  const std::function<void(const SocketEvent&)>* take_ = nullptr;
  ClockOffset offset_;
};

base::Outcome<Object> load_watch() {
  auto object = open_object(kSocketWatchObject, "socket_watch");
  if (!object) return object;
  bpf_map__set_max_entries(find_map(object->get(), "owners"), SocketWatch::kRingBytes);
  if (auto done = load_object(object->get(), OpenWatch::kNeeds); !done) return tl::unexpected(std::move(done).error());
  return object;
}

}  // namespace

base::Outcome<std::unique_ptr<SocketWatch>> SocketWatch::open() {
  auto object = load_watch();
  if (!object) return tl::unexpected(std::move(object).error());
  auto watch = std::make_unique<OpenWatch>(std::move(*object));
  if (auto begun = watch->begin(); !begun) return tl::unexpected(std::move(begun).error());
  return watch;
}

base::Outcome<void> try_socket_watch() {
  auto object = load_watch();
  if (!object) return tl::unexpected(std::move(object).error());
  return {};
}

}  // namespace hoptap::bpf
