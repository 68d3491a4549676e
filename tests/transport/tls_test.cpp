// TLS and mutual TLS with real certificates: what works, and that what does not is said in words with the fix.
#include "tests/transport/certificates.h"
#include "tests/transport/raw_stream.h"
#include "tests/transport/rig.h"

namespace hoptap::exporting {
namespace {

using Life = Certificate::Life;

class Tls : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path("pem"));
    authority_.write(file("ca.pem"), "");
    stranger_.write(file("stranger.pem"), "");
    Certificate("127.0.0.1", &authority_).write(file("tracer.pem"), file("tracer.key"));
    spool_ = open_spool(folder_);
    append(*spool_, 3);
  }
  std::string file(const std::string& name) const { return folder_.path("pem") + "/" + name; }
  void serve_tls(bool mutual = false) {
    CollectorConfig config;
    config.tls = ServerTls{file("tracer.pem"), file("tracer.key"), mutual ? file("ca.pem") : "", 1};
    server_ = serve(sink_, config);
  }
  SenderConfig with_tls() const {
    SenderConfig config = sender_config(address_of(*server_));
    config.tls = ClientTls{file("ca.pem"), "", "", ""};
    return config;
  }
  void expect_delivery(const SenderConfig& config) {
    const auto sender = send(*spool_, config);
    EXPECT_TRUE(sender->drain(kLong)) << sender->status().error;
    EXPECT_EQ(sink_.count(), 3u);
  }
  void expect_words(const SenderConfig& config, const std::string& words) {
    const auto sender = send(*spool_, config);
    EXPECT_TRUE(says(*sender, words));
    EXPECT_FALSE(sender->status().connected);
    EXPECT_EQ(spool_->counters().waiting_batches, 3u);
  }

  Folder folder_;
  MemorySink sink_;
  Certificate authority_{"authority"};
  Certificate stranger_{"stranger"};
  std::unique_ptr<CollectorServer> server_;
  std::unique_ptr<Spool> spool_;
};

TEST_F(Tls, Delivers) {
  serve_tls();
  expect_delivery(with_tls());
  EXPECT_EQ(sink_.hellos().at(0).certificate_name, "");
}

TEST_F(Tls, DeliversToATracerOfAnotherName) {
  Certificate("tracer.example", &authority_).write(file("tracer.pem"), file("tracer.key"));
  serve_tls();
  SenderConfig config = with_tls();
  config.tls->server_name = "tracer.example";
  expect_delivery(config);
}

TEST_F(Tls, MutuallyTheTracerLearnsTheProbesName) {
  serve_tls(true);
  Certificate("probe-7", &authority_).write(file("probe.pem"), file("probe.key"));
  SenderConfig config = with_tls();
  config.tls->certificate_file = file("probe.pem");
  config.tls->key_file = file("probe.key");
  expect_delivery(config);
  EXPECT_EQ(sink_.hellos().at(0).certificate_name, "probe-7");
}

TEST_F(Tls, MutuallyWithoutACertificate) {
  serve_tls(true);
  expect_words(with_tls(), "demands a certificate of the probe; set tls.certificate and tls.key");
}

TEST_F(Tls, MutuallyWithACertificateOfAStranger) {
  serve_tls(true);
  Certificate("probe-7", &stranger_).write(file("probe.pem"), file("probe.key"));
  SenderConfig config = with_tls();
  config.tls->certificate_file = file("probe.pem");
  config.tls->key_file = file("probe.key");
  expect_words(config, "does not accept the probe's certificate");
}

TEST_F(Tls, MutuallyWithAnExpiredCertificate) {
  serve_tls(true);
  Certificate("probe-7", &authority_, Life::kOver).write(file("probe.pem"), file("probe.key"));
  SenderConfig config = with_tls();
  config.tls->certificate_file = file("probe.pem");
  config.tls->key_file = file("probe.key");
  expect_words(config, "does not accept the probe's certificate");
}

TEST_F(Tls, PlainTextToATracerThatSpeaksTls) {
  serve_tls();
  expect_words(sender_config(address_of(*server_)), "speaks TLS; add tls to the probe's configuration");
}

TEST_F(Tls, PlainTextToATracerThatDemandsCertificates) {
  serve_tls(true);
  expect_words(sender_config(address_of(*server_)), "speaks TLS; add tls to the probe's configuration");
}

TEST_F(Tls, TlsToATracerThatSpeaksPlainText) {
  server_ = serve(sink_);
  expect_words(with_tls(), "does not speak TLS; take tls out");
}

TEST_F(Tls, AnAuthorityThatTheProbeDoesNotKnow) {
  serve_tls();
  SenderConfig config = with_tls();
  config.tls->ca_file = file("stranger.pem");
  expect_words(config, "an authority that is not in " + file("stranger.pem"));
}

TEST_F(Tls, AnAuthorityThatTheSystemDoesNotKnow) {
  serve_tls();
  SenderConfig config = with_tls();
  config.tls->ca_file = "";
  expect_words(config, "an authority that is not in the system's authorities; set tls.ca");
}

TEST_F(Tls, AnExpiredCertificate) {
  Certificate("127.0.0.1", &authority_, Life::kOver).write(file("tracer.pem"), file("tracer.key"));
  serve_tls();
  expect_words(with_tls(), "has expired; renew it");
}

TEST_F(Tls, ACertificateOfTomorrow) {
  Certificate("127.0.0.1", &authority_, Life::kNotYet).write(file("tracer.pem"), file("tracer.key"));
  serve_tls();
  expect_words(with_tls(), "is not valid yet; correct this host's clock");
}

TEST_F(Tls, ACertificateForAnotherName) {
  Certificate("tracer.example", &authority_).write(file("tracer.pem"), file("tracer.key"));
  serve_tls();
  expect_words(with_tls(), "is not for the name 127.0.0.1; set tls.server_name");
}

TEST_F(Tls, FilesThatAreNotThere) {
  serve_tls();
  SenderConfig config = with_tls();
  config.tls->ca_file = file("none.pem");
  expect_words(config, "cannot read the authorities (tls.ca) " + file("none.pem"));
}

/// The certificate that a new connection sees, by whether `authority` signed it.
bool trusts(const CollectorServer& server, const Certificate& authority) {
  RawStream stream(address_of(server), grpc::SslCredentials({authority.pem(), "", ""}));
  return greet(stream, "fedcba9876543210").has_value();
}

TEST_F(Tls, ANewCertificateIsForNewConnectionsAndOldOnesLiveOn) {
  serve_tls();
  RawStream old(address_of(*server_), grpc::SslCredentials({authority_.pem(), "", ""}));
  ASSERT_EQ(greet(old), 0u);
  EXPECT_FALSE(trusts(*server_, stranger_));
  Certificate("127.0.0.1", &stranger_).write(file("tracer.pem"), file("tracer.key"));
  EXPECT_TRUE(eventually([&] { return trusts(*server_, stranger_); }));
  EXPECT_FALSE(trusts(*server_, authority_));
  ASSERT_TRUE(old.write(batch_message(1)));
  EXPECT_EQ(old.read()->ack().acknowledged(), 1u);
}

TEST_F(Tls, FilesThatBecomeWrongAreSaidAndCanBeMended) {
  serve_tls();
  RawStream old(address_of(*server_), grpc::SslCredentials({authority_.pem(), "", ""}));
  ASSERT_EQ(greet(old), 0u);
  EXPECT_EQ(server_->tls_fault(), "");
  stranger_.write(file("other.pem"), file("tracer.key"));  // now they are no pair
  EXPECT_NE(server_->tls_fault().find("does not belong"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return !trusts(*server_, authority_); }));
  ASSERT_TRUE(old.write(batch_message(1)));
  EXPECT_EQ(old.read()->ack().acknowledged(), 1u);
  Certificate("127.0.0.1", &authority_).write(file("tracer.pem"), file("tracer.key"));
  EXPECT_TRUE(eventually([&] { return trusts(*server_, authority_); }));
  EXPECT_EQ(server_->tls_fault(), "");
}

TEST_F(Tls, TheTracerChecksItsFilesAtTheStart) {
  const auto why = [&](const ServerTls& tls) {
    CollectorConfig config;
    config.listen = "127.0.0.1:0";
    config.tls = tls;
    const auto server = CollectorServer::start(sink_, config);
    return server ? "started" : server.error().what;
  };
  EXPECT_NE(why({file("none.pem"), file("tracer.key"), "", 1}).find("cannot read the certificate"), std::string::npos);
  EXPECT_NE(why({file("tracer.pem"), "", "", 1}).find("name both"), std::string::npos);
  EXPECT_NE(why({file("tracer.pem"), file("tracer.pem"), "", 1}).find("does not belong"), std::string::npos);
  EXPECT_NE(why({file("tracer.key"), file("tracer.key"), "", 1}).find("cannot be understood"), std::string::npos);
  EXPECT_NE(why({file("tracer.pem"), file("tracer.key"), file("tracer.key"), 1}).find("hold no certificate"),
            std::string::npos);
}

TEST_F(Tls, NobodyThere) {
  server_ = serve(sink_);
  const SenderConfig config = sender_config(address_of(*server_));
  server_->stop();
  expect_words(config, "nothing listens at");
}

TEST_F(Tls, NoSuchHost) { expect_words(sender_config("no-such-host.invalid:4717"), "cannot be resolved"); }

TEST_F(Tls, AConfigurationThatCanNeverWork) {
  SenderConfig config = sender_config("tracer");
  EXPECT_FALSE(Sender::start(*spool_, config));
  config = sender_config("tracer:4717");
  config.probe = "";
  EXPECT_FALSE(Sender::start(*spool_, config));
}

}  // namespace
}  // namespace hoptap::exporting
