#include "export/transport/address.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

namespace hoptap::exporting {
namespace {

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

struct FreeList {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using List = std::unique_ptr<addrinfo, FreeList>;

base::Outcome<List> look_up(const HostPort& address, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  if (code != 0) {
    return fail("the name " + address.host + " cannot be resolved (" + ::gai_strerror(code) +
                "); check the spelling, and DNS on this host");
  }
  return List(list);
}

int connect_one(const addrinfo& target, int timeout_ms) {
  const int file = ::socket(target.ai_family, target.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, target.ai_protocol);
  if (file < 0) return -1;
  int error = ::connect(file, target.ai_addr, target.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd waiting{file, POLLOUT, 0};
    error = ETIMEDOUT;
    socklen_t size = sizeof error;
    if (::poll(&waiting, 1, timeout_ms) == 1) ::getsockopt(file, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error == 0) return file;
  ::close(file);
  errno = error;
  return -1;
}

}  // namespace

base::Outcome<HostPort> split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostPort parts;
  if (colon != std::string::npos) {
    parts.host = address.substr(0, colon);
    parts.port = address.substr(colon + 1);
  }
  if (parts.host.size() > 2 && parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find_first_of(":[]") != std::string::npos) {
    parts.host.clear();
  }
  std::uint16_t port = 0;
  const char* end = parts.port.data() + parts.port.size();
  const auto [at, error] = std::from_chars(parts.port.data(), end, port);
  if (parts.host.empty() || error != std::errc() || at != end) {
    return fail("\"" + address + "\" is no address; write host:port, for example 10.0.0.5:4717 or [2001:db8::5]:4717");
  }
  return parts;
}

base::Outcome<void> try_listen(const std::string& address) {
  const base::Outcome<HostPort> parts = split_address(address);
  if (!parts) return tl::unexpected(parts.error());
  const base::Outcome<List> list = look_up(*parts, AI_PASSIVE);
  if (!list) return tl::unexpected(list.error());
  const addrinfo& first = **list;
  const int file = ::socket(first.ai_family, first.ai_socktype | SOCK_CLOEXEC, first.ai_protocol);
  const int yes = 1;
  if (file >= 0) ::setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool free = file >= 0 && ::bind(file, first.ai_addr, first.ai_addrlen) == 0 && ::listen(file, 1) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (free) return {};
  const char* fix = error == EADDRINUSE      ? "; stop the program that has it, or choose another port"
                    : error == EADDRNOTAVAIL ? "; the address is not one of this host's"
                    : error == EACCES        ? "; ports below 1024 need root, choose a higher one"
                                             : "; choose another address";
  return fail("cannot listen on " + address + ": " + std::strerror(error) + fix);
}

base::Outcome<int> connect_to(const HostPort& address, int timeout_ms) {
  const base::Outcome<List> list = look_up(address, 0);
  if (!list) return tl::unexpected(list.error());
  for (const addrinfo* each = list->get(); each != nullptr; each = each->ai_next) {
    if (const int file = connect_one(*each, timeout_ms); file >= 0) return file;
  }
  const int error = errno;
  const std::string where = address.host + ":" + address.port;
  if (error == ECONNREFUSED) {
    return fail("nothing listens at " + where +
                " (connection refused); start the tracer there, or correct the address");
  }
  return fail("no connection to " + where + " (" + std::strerror(error) +
              "); check the route and the firewalls between here and there");
}

}  // namespace hoptap::exporting
