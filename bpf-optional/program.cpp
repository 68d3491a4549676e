#include "bpf-optional/program.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "base/capabilities.h"

namespace hoptap::bpf {
namespace {

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "unknown";
}

/// "": none.
std::string_view missing_capability(EbpfNeeds needs) {
  if (needs == EbpfNeeds::kPackets && !base::has_capability(CAP_NET_ADMIN)) return "CAP_NET_ADMIN";
  if (base::has_capability(CAP_SYS_ADMIN)) return "";
  if (!base::has_capability(base::kCapBpf)) return "CAP_BPF";
  return base::has_capability(base::kCapPerfmon) ? "" : "CAP_PERFMON";
}

}  // namespace

base::Failure refusal(std::string_view doing, int error, EbpfNeeds needs) {
  const std::string_view missing = missing_capability(needs);
  // Without CAP_PERFMON the verifier takes no bounded loops in our programs, and says EINVAL.
  if ((error == EPERM || error == EACCES || error == EINVAL) && !missing.empty())
    return {.what = fmt::format("{}: eBPF needs {}: run as root or `setcap {}` this program", doing, missing,
                                needs == EbpfNeeds::kPackets
                                    ? base::setcap_words({CAP_NET_ADMIN, base::kCapBpf, base::kCapPerfmon})
                                    : base::setcap_words({base::kCapBpf, base::kCapPerfmon}))};
  const std::string words = std::generic_category().message(error);
  if (error == EPERM || error == EACCES)
    return {.what =
                fmt::format("{}: bpf() is refused with all capabilities there ({}): by a container, kernel lockdown "
                            "or the verifier of Linux {} (5.12 is needed)",
                            doing, words, kernel_release())};
  return {.what =
              fmt::format("{}: {}; Linux 5.12 is needed, with CONFIG_BPF_SYSCALL{}, and this is {}", doing, words,
                          needs == EbpfNeeds::kTracing ? " and CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)" : "",
                          kernel_release())};
}

base::Outcome<Object> open_object(base::Bytes bytes, const std::string& name) {
  libbpf_set_print(nullptr);  // what it would say is in refusal()
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  options.object_name = name.c_str();
  Object object(bpf_object__open_mem(bytes.data(), bytes.size(), &options));
  if (object == nullptr) return tl::unexpected(refusal("cannot read the eBPF program " + name, errno));
  return object;
}

base::Outcome<void> load_object(bpf_object* object, EbpfNeeds needs) {
  if (const int error = bpf_object__load(object); error != 0)
    return tl::unexpected(
        refusal(fmt::format("cannot load the eBPF program {}", bpf_object__name(object)), -error, needs));
  return {};
}

int program_fd(bpf_object* object) { return bpf_program__fd(bpf_object__next_program(object, nullptr)); }

bpf_map* find_map(bpf_object* object, std::string_view name_end) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (std::string_view(bpf_map__name(map)).ends_with(name_end)) return map;
  }
  return nullptr;
}

}  // namespace hoptap::bpf
