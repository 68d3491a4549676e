// A program where an interface hands packets to the kernel and takes them from it. Private to bpf-optional/. One
// thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace hoptap::bpf {

enum class AttachWay : std::uint8_t {
  kLink,    ///< tcx, from Linux 6.6: it goes with its file descriptor, so with the process, however that ends
  kFilter,  ///< a filter of tc(8) in the clsact qdisc
};

class Attachment {
 public:
  /// In the interface's namespace, behind the programs that are there. The way is kLink where the kernel has it.
  /// As a filter it has a place of its own among those of the interface: one that a killed process left there is
  /// replaced, one of a process that lives makes this fail. The qdisc stays when it ends: others may use it by then.
  [[nodiscard]] static base::Outcome<std::unique_ptr<Attachment>> attach(int program, int interface_index,
                                                                         bool takes_outgoing, AttachWay way);
  /// In the interface's namespace when the way is kFilter. When the interface is gone, so is the filter.
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  AttachWay way() const { return way_; }

 private:
  Attachment(int interface_index, AttachWay way) : interface_index_(interface_index), way_(way) {}
  base::Outcome<void> add_links(int program, bool takes_outgoing);
  base::Outcome<void> add_filters(int program, bool takes_outgoing);

  int interface_index_;
  AttachWay way_;
  std::vector<int> descriptors_;  ///< links, or the mark that a filter is ours
  std::vector<int> filters_;      ///< bpf_tc_attach_point
};

}  // namespace hoptap::bpf
