// What the kernel says about a network interface. Private to capture/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "capture/live/descriptor.h"
#include "capture/live/live_source.h"
#include "capture/live/network_namespace.h"

namespace hoptap::capture {

struct NetworkInterface {
  int index = 0;
  LinkType link_type = 1;  ///< Ethernet, or raw IP (101): what of the packets before the IP header is left out
  bool is_loopback = false;
};

/// An interface, and a packet socket of its namespace that receives nothing yet.
struct OpenInterface {
  Descriptor socket;
  NetworkInterface interface;
};

/// Of the calling thread's namespace. Fails without CAP_NET_RAW, on interfaces that are neither Ethernet nor carry IP
/// without more around it, and when there is none of the name: then it names those there are.
[[nodiscard]] base::Outcome<OpenInterface> open_interface(const std::string& name);

/// "eth00: no such interface; there are eth0, lo": those of the calling thread's namespace, likeliest first.
[[nodiscard]] base::Failure no_such_interface(const std::string& name);

/// The same list for given names.
[[nodiscard]] std::string nearest_names(std::string_view name, std::vector<std::string> names);

/// The state of the interface that a packet socket is bound to.
class LinkWatch {
 public:
  /// `fd` must stay open as long as this is used.
  LinkWatch(int fd, NamespaceFile file, std::string name = "")
      : fd_(fd), file_(std::move(file)), name_(std::move(name)) {}

  bool watches_namespace() const { return file_.is_watched(); }
  LinkState look() const;  ///< asks the kernel

 private:
  int fd_;
  NamespaceFile file_;
  std::string name_;  ///< one of another name is gone; "": any
};

}  // namespace hoptap::capture
