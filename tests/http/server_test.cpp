#include "appliance/http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <future>

#include "appliance/http/client.h"
#include "fixture.h"

namespace hoptap::appliance {
namespace {

/// A client that sends what it is told, right or wrong.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// All there is until the server closes.
  std::string read_to_end() {
    std::string all;
    while (read_some(all)) {
    }
    return all;
  }
  /// Until `end` has come.
  std::string read_until(const std::string& end) {
    std::string all;
    while (all.find(end) == std::string::npos && read_some(all)) {
    }
    return all;
  }

 private:
  bool read_some(std::string& all) {
    char bytes[4096];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got > 0) all.append(bytes, static_cast<std::size_t>(got));
    return got > 0;
  }
  int socket_;
  bool connected_ = false;
};

class ServerOverAStore : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = exporting::Store::open({.folder = folder_.path(), .retention = {}});
    ASSERT_TRUE(opened);
    store_ = std::move(*opened);
    sources_.store = store_.get();
    config_.port = 0;
  }
  void start() {
    auto started = HttpServer::start(config_, sources_);
    ASSERT_TRUE(started) << started.error().what;
    server_ = std::move(*started);
  }
  std::string ask(const std::string& text) {
    RawClient client(server_->port());
    client.send(text);
    return client.read_to_end();
  }
  base::Outcome<HttpReply> get(const std::string& target, const std::string& ca = "") {
    return HttpClient(*read_url(server_->url()), ca).get(target, "*/*");
  }

  testing::TestFolder folder_;
  std::unique_ptr<exporting::Store> store_;
  HttpSources sources_;
  HttpServerConfig config_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ServerOverAStore, AnswersOneRequestAfterTheOther) {
  start();
  const std::string answers =
      ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD /api/v1/points HTTP/1.1\r\nHost: a\r\n\r\n"
          "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answers.rfind("HTTP/1.1 200 OK\r\n", 0), 0u) << answers;
  EXPECT_NE(answers.find("{\"ok\":true,\"words\":\"serving\"}\nHTTP/1.1 200 OK"), std::string::npos) << answers;
  EXPECT_NE(answers.find("Content-Length: 14\r\n\r\nHTTP/1.1 404 Not Found"), std::string::npos)
      << "a HEAD has no body: " << answers;
  EXPECT_NE(answers.find("Connection: close"), std::string::npos);
}

TEST_F(ServerOverAStore, RefusesWhatIsNoRequestOrTooLarge) {
  config_.header_bytes_max = 2000;
  config_.body_bytes_max = 100;
  start();
  EXPECT_EQ(ask("\x16\x03\x01 hello\r\n\r\n").rfind("HTTP/1.1 400", 0), 0u) << "TLS to a plain server";
  EXPECT_EQ(ask("GET / HTTP/9.9\r\n\r\n").rfind("HTTP/1.1 400", 0), 0u);
  EXPECT_EQ(ask("GET /healthz HTTP/1.1\r\nX: " + std::string(3000, 'x') + "\r\n\r\n").rfind("HTTP/1.1 431", 0), 0u);
  EXPECT_EQ(ask("POST /healthz HTTP/1.1\r\nContent-Length: 5000\r\n\r\n").rfind("HTTP/1.1 413", 0), 0u);
  EXPECT_EQ(ask("GET /" + std::string(1900, 'a') + " HTTP/1.0\r\n\r\n").rfind("HTTP/1.1 404", 0), 0u);
  EXPECT_EQ(get("/healthz")->status, 200u) << "all others are still served";
}

TEST_F(ServerOverAStore, ClosesThoseWhoTrickleOrIdle) {
  config_.read_timeout = std::chrono::milliseconds(500);
  config_.idle_timeout = std::chrono::milliseconds(500);
  start();
  RawClient silent(server_->port());
  RawClient slow(server_->port());
  slow.send("GET /healthz HT");
  EXPECT_EQ(slow.read_to_end(), "");
  EXPECT_EQ(silent.read_to_end(), "");
  RawClient idle(server_->port());
  idle.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(idle.read_to_end().rfind("HTTP/1.1 200", 0), 0u);
  const std::string metrics = get("/metrics")->body;
  EXPECT_NE(metrics.find("hoptap_http_timeouts_total 3\n"), std::string::npos) << metrics;
}

TEST_F(ServerOverAStore, HasALimitOfConnections) {
  config_.connections_max = 1;
  start();
  RawClient first(server_->port());
  first.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  first.read_until("serving");
  RawClient second(server_->port());
  EXPECT_EQ(second.read_to_end().rfind("HTTP/1.1 503", 0), 0u);
  first.send("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(first.read_to_end().find("hoptap_http_connections_refused_total 1\n"), std::string::npos);
}

TEST_F(ServerOverAStore, ASlowQueryHoldsUpNobodyElse) {
  std::promise<void> entered, release;
  sources_.status = [&, count = 0]() mutable {
    if (count++ == 0) {
      entered.set_value();
      release.get_future().wait();
    }
    return std::string("{}");
  };
  config_.query_threads = 1;
  config_.queries_waiting_max = 1;
  start();
  RawClient slow(server_->port());
  slow.send("GET /api/v1/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  entered.get_future().wait();
  EXPECT_EQ(get("/healthz")->status, 200u);
  EXPECT_EQ(get("/metrics")->status, 200u);
  const auto busy = get("/api/v1/points");
  EXPECT_EQ(busy->status, 503u);
  EXPECT_NE(busy->body.find("\"busy\""), std::string::npos);
  release.set_value();
  EXPECT_EQ(slow.read_to_end().rfind("HTTP/1.1 200", 0), 0u);
}

TEST_F(ServerOverAStore, WhatThrowsIsAnswered) {
  sources_.status = []() -> std::string { throw std::runtime_error("no luck"); };
  start();
  EXPECT_EQ(get("/api/v1/status")->status, 500u);
  EXPECT_EQ(get("/healthz")->status, 200u);
}

TEST_F(ServerOverAStore, SaysWhyItCannotListen) {
  start();
  const auto refusal = [&](const std::string& address, std::uint16_t port) {
    HttpServerConfig config;
    config.address = address;
    config.port = port;
    const auto second = HttpServer::start(config, sources_);
    return second ? "" : second.error().what;
  };
  EXPECT_NE(refusal("127.0.0.1", server_->port()).find("choose another port"), std::string::npos);
  EXPECT_NE(refusal("localhost", 0).find("is no IP address"), std::string::npos);
  EXPECT_NE(refusal("192.0.2.1", 0).find("an address of this host"), std::string::npos);
}

// ---- TLS

/// A certificate for 127.0.0.1 that signs itself, good from now or long over.
void write_certificate(const std::string& folder, bool expired = false) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -86400 * 2);
  X509_gmtime_adj(X509_getm_notAfter(certificate), expired ? -86400 : 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  const std::string common = "hoptap test " + std::to_string(serial);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());
  std::FILE* file = std::fopen((folder + "/key.pem").c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  file = std::fopen((folder + "/certificate.pem").c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

class TlsServer : public ServerOverAStore {
 protected:
  void SetUp() override {
    ServerOverAStore::SetUp();
    write_certificate(folder_.path());
    config_.tls = {certificate(), folder_.path() + "/key.pem", ""};
  }
  std::string certificate() const { return folder_.path() + "/certificate.pem"; }
};

TEST_F(TlsServer, ServesThoseWhoTrustIt) {
  start();
  EXPECT_EQ(server_->url().rfind("https://127.0.0.1:", 0), 0u);
  const auto reply = get("/healthz", certificate());
  ASSERT_TRUE(reply) << reply.error().what;
  EXPECT_EQ(reply->status, 200u);
  EXPECT_NE(get("/healthz").error().what.find("--ca FILE"), std::string::npos);
  EXPECT_NE(get("/healthz", "/nothing.pem").error().what.find("cannot use --ca /nothing.pem"), std::string::npos);
  EXPECT_NE(ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").find("write https:// instead"), std::string::npos);
}

TEST_F(TlsServer, AnExpiredCertificateIsNotTrusted) {
  write_certificate(folder_.path(), true);
  start();
  EXPECT_NE(get("/healthz", certificate()).error().what.find("expired"), std::string::npos);
}

TEST_F(TlsServer, WantsACertificateOfTheClientWhenTold) {
  config_.tls.client_ca_file = certificate();
  start();
  EXPECT_FALSE(get("/healthz", certificate()));
}

TEST_F(TlsServer, TakesUpANewCertificate) {
  start();
  ASSERT_TRUE(get("/healthz", certificate()));
  write_certificate(folder_.path());
  bool taken_up = false;  // files are looked at once a second, as connections come
  for (int attempt = 0; attempt < 100000 && !taken_up; ++attempt) taken_up = get("/healthz", certificate()).has_value();
  EXPECT_TRUE(taken_up);
}

TEST_F(TlsServer, SaysWhatIsWrongWithItsFiles) {
  const auto refusal = [&](HttpTls tls) {
    config_.tls = std::move(tls);
    const auto server = HttpServer::start(config_, sources_);
    return server ? "" : server.error().what;
  };
  const std::string key = config_.tls.key_file;
  EXPECT_NE(refusal({"/nothing.pem", key, ""}).find("cannot use the certificate /nothing.pem"), std::string::npos);
  EXPECT_NE(refusal({certificate(), certificate(), ""}).find("cannot use the key"), std::string::npos);
  const testing::TestFolder other;
  write_certificate(other.path());
  EXPECT_NE(refusal({certificate(), other.path() + "/key.pem", ""}).find("key"), std::string::npos);
}

}  // namespace
}  // namespace hoptap::appliance
