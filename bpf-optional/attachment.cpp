#include "bpf-optional/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "bpf-optional/program.h"

namespace hoptap::bpf {
namespace {

// Newer than Debian 12's <linux/bpf.h>; bpf_link_create() hands on what it does not know.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46), kTcxEgress = static_cast<bpf_attach_type>(47);

// Of the filter, by which we know our own: "hopt", and a place behind what others choose.
constexpr std::uint32_t kHandle = 0x686f7074, kPriority = 0xc000;

bpf_tc_hook hook_at(int interface_index, int point) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = interface_index;
  hook.attach_point = static_cast<bpf_tc_attach_point>(point);
  return hook;
}

bpf_tc_opts own_filter() {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kHandle;
  options.priority = kPriority;
  return options;
}

/// A socket with a name of which there is one in a network namespace, and none when its process has ended. -1: taken.
int take_mark(int interface_index) {
  const int mark = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = fmt::format("hoptap-head-tap-{}", interface_index);
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (mark >= 0 && ::bind(mark, reinterpret_cast<const sockaddr*>(&address), bytes) == 0) return mark;
  if (mark >= 0) ::close(mark);
  return -1;
}

}  // namespace

base::Outcome<std::unique_ptr<Attachment>> Attachment::attach(int program, int interface_index, bool takes_outgoing,
                                                              AttachWay way) {
  std::unique_ptr<Attachment> made(new Attachment(interface_index, way));
  auto added =
      way == AttachWay::kLink ? made->add_links(program, takes_outgoing) : made->add_filters(program, takes_outgoing);
  if (!added) return tl::unexpected(std::move(added).error());
  return made;
}

base::Outcome<void> Attachment::add_links(int program, bool takes_outgoing) {
  for (const bpf_attach_type point : {kTcxIngress, kTcxEgress}) {
    if (point == kTcxEgress && !takes_outgoing) break;
    const int link = bpf_link_create(program, interface_index_, point, nullptr);
    if (link == -EINVAL && descriptors_.empty()) {  // a kernel before 6.6
      way_ = AttachWay::kFilter;
      return add_filters(program, takes_outgoing);
    }
    if (link < 0) return tl::unexpected(refusal("cannot attach to the interface (tcx)", -link));
    descriptors_.push_back(link);
  }
  return {};
}

base::Outcome<void> Attachment::add_filters(int program, bool takes_outgoing) {
  const int mark = take_mark(interface_index_);
  if (mark < 0)
    return tl::unexpected(base::Failure{
        .what = "another hoptap reads this interface by eBPF already, and before Linux 6.6 there is room for one"});
  descriptors_.push_back(mark);
  bpf_tc_hook both = hook_at(interface_index_, BPF_TC_INGRESS | BPF_TC_EGRESS);
  if (const int error = bpf_tc_hook_create(&both); error != 0 && error != -EEXIST)
    return tl::unexpected(refusal("cannot add a clsact qdisc", -error));
  for (const int point : {int{BPF_TC_INGRESS}, int{BPF_TC_EGRESS}}) {
    if (point == BPF_TC_EGRESS && !takes_outgoing) break;
    const bpf_tc_hook hook = hook_at(interface_index_, point);
    bpf_tc_opts options = own_filter();
    options.prog_fd = program;
    options.flags = BPF_TC_F_REPLACE;
    if (const int error = bpf_tc_attach(&hook, &options); error != 0)
      return tl::unexpected(refusal("cannot attach to the interface (tc)", -error));
    filters_.push_back(point);
  }
  return {};
}

Attachment::~Attachment() {
  for (const int point : filters_) {
    const bpf_tc_hook hook = hook_at(interface_index_, point);
    const bpf_tc_opts options = own_filter();
    bpf_tc_detach(&hook, &options);  // fails when the interface is gone, and the filter with it
  }
  for (const int one : descriptors_) ::close(one);
}

}  // namespace hoptap::bpf
