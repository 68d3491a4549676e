#include <fcntl.h>

#include <cerrno>

#include "bpf-optional/head_tap.h"
#include "bpf-optional/program.h"

namespace hoptap::bpf {

base::Outcome<int> load_fanout_program() {
  auto object = open_object(kFanoutObject, "fanout");
  if (!object) return tl::unexpected(std::move(object).error());
  if (auto done = load_object(object->get()); !done) return tl::unexpected(std::move(done).error());
  const int fd = ::fcntl(program_fd(object->get()), F_DUPFD_CLOEXEC, 0);  // the object's own goes with it
  if (fd < 0) return tl::unexpected(refusal("cannot keep the eBPF program fanout", errno));
  return fd;
}

}  // namespace hoptap::bpf
