#include "export/transport/pem_files.h"

#include <grpc/support/log.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

namespace hoptap::exporting {
namespace {

constexpr std::uintmax_t kBytesMax = 1u << 20;

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

}  // namespace

base::Outcome<std::string> read_pem(const std::string& file, const std::string& what) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return fail("cannot read " + what + " " + file + ": " + std::strerror(errno) +
                "; check the path and who may read it");
  }
  std::ostringstream text;
  text << stream.rdbuf();
  std::string bytes = text.str();
  if (bytes.size() > kBytesMax || bytes.find("-----BEGIN ") == std::string::npos) {
    return fail(what + " " + file + " is no PEM file; it should contain a line -----BEGIN ...-----");
  }
  return bytes;
}

base::Outcome<void> check_pair(const std::string& certificate_file, const std::string& key_file) {
  if (certificate_file.empty() || key_file.empty()) {
    return fail("TLS needs a certificate file and a key file; name both");
  }
  for (const auto& [file, what] : {std::pair(certificate_file, "the certificate"), std::pair(key_file, "the key")}) {
    if (base::Outcome<std::string> read = read_pem(file, what); !read) return tl::unexpected(read.error());
  }
  const Context context(SSL_CTX_new(TLS_method()));
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1) {
    return fail("the certificate " + certificate_file +
                " cannot be understood; it should hold a certificate in PEM, "
                "then its intermediates");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return fail("the key " + key_file + " does not belong to the certificate " + certificate_file +
                ", or has a passphrase; give the key of that certificate, without a passphrase");
  }
  return {};
}

base::Outcome<void> check_authorities(const std::string& file) {
  if (base::Outcome<std::string> read = read_pem(file, "the authorities"); !read) return tl::unexpected(read.error());
  const Context context(SSL_CTX_new(TLS_method()));
  if (SSL_CTX_load_verify_locations(context.get(), file.c_str(), nullptr) != 1) {
    return fail("the authorities " + file + " hold no certificate in PEM");
  }
  return {};
}

void quiet_grpc() {
  if (std::getenv("GRPC_VERBOSITY") != nullptr || std::getenv("GRPC_TRACE") != nullptr) return;
  gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace hoptap::exporting
