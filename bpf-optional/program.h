// An eBPF program that this binary carries: loads it, or says in words why the kernel does not take it. Private to
// bpf-optional/. One thread.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hoptap::bpf {

/// Made from kernel/*.bpf.c by the build.
extern const base::Bytes kHeadTapObject, kFanoutObject, kSocketWatchObject;

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

/// Not yet in the kernel, so its maps can still be set.
[[nodiscard]] base::Outcome<Object> open_object(base::Bytes bytes, const std::string& name);

/// Beside CAP_BPF and CAP_PERFMON (before Linux 5.8 CAP_SYS_ADMIN): packets ask for CAP_NET_ADMIN, tracing for BTF.
enum class EbpfNeeds : std::uint8_t { kPackets, kTracing };

[[nodiscard]] base::Outcome<void> load_object(bpf_object* object, EbpfNeeds needs = EbpfNeeds::kPackets);

/// The object has one program.
int program_fd(bpf_object* object);

/// The map whose name ends so: ".rodata" holds the program's settings, ".bss" its variables. Null when there is none.
bpf_map* find_map(bpf_object* object, std::string_view name_end);

/// Why the kernel refused, with the capability that is missing or what the kernel is too old for. `error`: an errno.
[[nodiscard]] base::Failure refusal(std::string_view doing, int error, EbpfNeeds needs = EbpfNeeds::kPackets);

}  // namespace hoptap::bpf
