#include "export/transport/connection_doubt.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>

#include "export/transport/address.h"

namespace hoptap::exporting {
namespace {

constexpr int kTimeoutMs = 3000;

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL* session) const { SSL_free(session); }
};

/// One TLS handshake with a tracer, by hand.
class Trial {
 public:
  explicit Trial(int socket) : socket_(socket) {}
  ~Trial() { ::close(socket_); }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// True when the handshake came to its end. `tls` none: any certificate will do.
  bool shake_hands(const std::string& host, const ClientTls* tls);
  /// True when the other side sent something after the handshake; a tracer does at once, unless it refuses our
  /// certificate, which in TLS 1.3 it says only then.
  bool hears() {
    char byte = 0;
    ERR_clear_error();
    return SSL_read(session_.get(), &byte, 1) == 1;
  }
  long verdict() const { return SSL_get_verify_result(session_.get()); }
  bool asked_for_certificate() const { return asked_; }
  /// The other side answered as TLS does, be it with a refusal.
  bool spoke_tls() const { return alerted_ || saw_certificate(); }
  bool saw_certificate() const { return SSL_get0_peer_certificate(session_.get()) != nullptr; }

 private:
  int socket_;
  std::unique_ptr<SSL_CTX, FreeContext> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, FreeSession> session_;
  bool asked_ = false;
  bool alerted_ = false;
};

bool Trial::shake_hands(const std::string& host, const ClientTls* tls) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);  // goes on to the end; verdict() says what is wrong
  if (tls != nullptr) {
    if (tls->ca_file.empty()) SSL_CTX_set_default_verify_paths(context);
    if (!tls->ca_file.empty()) SSL_CTX_load_verify_locations(context, tls->ca_file.c_str(), nullptr);
    if (!tls->certificate_file.empty()) {
      SSL_CTX_use_certificate_chain_file(context, tls->certificate_file.c_str());
      SSL_CTX_use_PrivateKey_file(context, tls->key_file.c_str(), SSL_FILETYPE_PEM);
    }
  }
  SSL_CTX_set_cert_cb(
      context,
      [](SSL*, void* asked) {
        *static_cast<bool*>(asked) = true;
        return 1;
      },
      &asked_);
  session_.reset(SSL_new(context));
  SSL* session = session_.get();
  const unsigned char protocols[] = {2, 'h', '2'};
  SSL_set_alpn_protos(session, protocols, sizeof protocols);
  const std::string name = tls != nullptr && !tls->server_name.empty() ? tls->server_name : host;
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name.c_str()) != 1) {
    SSL_set1_host(session, name.c_str());
    SSL_set_tlsext_host_name(session, name.c_str());
  }
  SSL_set_fd(session, socket_);
  ERR_clear_error();
  if (SSL_connect(session) == 1) return true;
  const int reason = ERR_GET_REASON(ERR_peek_error());
  alerted_ = reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
  return false;
}

std::string authorities(const ClientTls& tls) { return tls.ca_file.empty() ? "the system's authorities" : tls.ca_file; }

/// Empty when the certificate is fine.
std::string certificate_fault(long verdict, const std::string& host, const ClientTls& tls) {
  switch (verdict) {
    case X509_V_OK: return "";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the tracer's certificate has expired; renew it, or correct this host's clock";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the tracer's certificate is not valid yet; correct this host's clock, or the tracer's certificate";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the tracer's certificate is not for the name " + (tls.server_name.empty() ? host : tls.server_name) +
             "; set tls.server_name to a name in it, or give the tracer a certificate with this one";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "the tracer's certificate is signed by an authority that is not in " + authorities(tls) +
             "; set tls.ca to the authority that signed it";
    default:
      return std::string("the tracer's certificate is not good: ") + X509_verify_cert_error_string(verdict) +
             "; check tls.ca, and the tracer's certificate";
  }
}

std::string tls_fault(Trial& trial, const std::string& address, const std::string& host, const ClientTls& tls) {
  const bool agreed = trial.shake_hands(host, &tls);
  if (trial.saw_certificate()) {
    if (std::string fault = certificate_fault(trial.verdict(), host, tls); !fault.empty()) return fault;
  }
  if (!agreed && !trial.spoke_tls()) {
    return "what listens at " + address +
           " does not speak TLS; take tls out of the probe's configuration, or give the "
           "tracer a certificate";
  }
  if (agreed && trial.hears()) return "";
  if (trial.asked_for_certificate() && tls.certificate_file.empty()) {
    return "the tracer demands a certificate of the probe; set tls.certificate and tls.key";
  }
  if (trial.asked_for_certificate()) {
    return "the tracer does not accept the probe's certificate " + tls.certificate_file +
           "; it must be signed by the tracer's client_ca and not have expired";
  }
  return agreed ? "" : "the TLS handshake with " + address + " fails; both sides must allow TLS 1.2 or 1.3";
}

}  // namespace

std::string find_fault(const std::string& address, const std::optional<ClientTls>& tls) {
  const base::Outcome<HostPort> parts = split_address(address);
  if (!parts) return parts.error().what;
  const base::Outcome<int> connected = connect_to(*parts, kTimeoutMs);
  if (!connected) return connected.error().what;
  const int socket = *connected;
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  const timeval longest{kTimeoutMs / 1000, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
  Trial trial(socket);
  if (tls) return tls_fault(trial, address, parts->host, *tls);
  if (trial.shake_hands(parts->host, nullptr) || trial.spoke_tls()) {
    return "the tracer at " + address + " speaks TLS; add tls to the probe's configuration";
  }
  return "";
}

}  // namespace hoptap::exporting
