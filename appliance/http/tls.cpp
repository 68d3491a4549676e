#include "appliance/http/tls.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <boost/asio/ssl.hpp>

namespace hoptap::appliance {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

tl::unexpected<base::Failure> refused(const std::string& what, const std::string& file, const error_code& error) {
  return tl::unexpected(base::Failure{
      fmt::format("cannot use {} {}: {}; give a PEM file that this user may read", what, file, error.message())});
}

}  // namespace

std::array<TlsFiles::Stamp, 3> TlsFiles::stamps() const {
  std::array<Stamp, 3> stamps{};
  const std::array<const std::string*, 3> names{&files_.certificate_file, &files_.key_file, &files_.client_ca_file};
  for (std::size_t at = 0; at < names.size(); ++at) {
    struct stat status {};
    if (names[at]->empty() || ::stat(names[at]->c_str(), &status) != 0) continue;
    stamps[at] = {static_cast<std::int64_t>(status.st_ino), status.st_size, status.st_mtim.tv_sec,
                  status.st_mtim.tv_nsec};
  }
  return stamps;
}

base::Outcome<void> TlsFiles::load() {
  loaded_ = stamps();
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  error_code error;
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_compression, error);
  context->use_certificate_chain_file(files_.certificate_file, error);
  if (error) return refused("the certificate", files_.certificate_file, error);
  context->use_private_key_file(files_.key_file, ssl::context::pem, error);
  if (error) return refused("the key", files_.key_file, error);
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return tl::unexpected(
        base::Failure{fmt::format("the key {} is not that of the certificate {}; give the two that "
                                  "were made together",
                                  files_.key_file, files_.certificate_file)});
  }
  if (!files_.client_ca_file.empty()) {
    context->load_verify_file(files_.client_ca_file, error);
    if (error) return refused("the clients' CA", files_.client_ca_file, error);
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  }
  context_ = std::move(context);
  return {};
}

std::shared_ptr<ssl::context> TlsFiles::current() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ >= std::chrono::seconds(1)) {
    looked_ = now;
    if (stamps() != loaded_ && !load()) ++failed_loads_;
  }
  return context_;
}

}  // namespace hoptap::appliance
