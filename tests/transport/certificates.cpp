#include "tests/transport/certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace hoptap::exporting {
namespace {

constexpr long kDay = 24 * 3600;
long g_serial = 1;

void extend(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

/// In one step, as a careful administrator would.
void replace(const std::string& file, const std::string& text) {
  { std::ofstream(file + ".new") << text; }
  ASSERT_EQ(std::rename((file + ".new").c_str(), file.c_str()), 0);
}

}  // namespace

struct Certificate::Parts {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
};

Certificate::Certificate(const std::string& name, const Certificate* issuer, Life life)
    : parts_(std::make_unique<Parts>()) {
  X509* certificate = parts_->certificate;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), g_serial++);
  const long begin = life == Life::kNotYet ? kDay : -2 * kDay;
  X509_gmtime_adj(X509_getm_notBefore(certificate), begin);
  X509_gmtime_adj(X509_getm_notAfter(certificate), life == Life::kOver ? -kDay : begin + 10 * kDay);
  X509_set_pubkey(certificate, parts_->key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, issuer == nullptr ? subject : X509_get_subject_name(issuer->parts_->certificate));
  extend(certificate, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  const bool address = name.find_first_not_of("0123456789.") == std::string::npos;
  if (issuer != nullptr) extend(certificate, NID_subject_alt_name, (address ? "IP:" : "DNS:") + name);
  X509_sign(certificate, issuer == nullptr ? parts_->key : issuer->parts_->key, EVP_sha256());
}

Certificate::~Certificate() {
  X509_free(parts_->certificate);
  EVP_PKEY_free(parts_->key);
}

std::string Certificate::pem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, parts_->certificate);
  return drain(bio);
}

std::string Certificate::key_pem() const {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, parts_->key, nullptr, nullptr, 0, nullptr, nullptr);
  return drain(bio);
}

void Certificate::write(const std::string& certificate_file, const std::string& key_file) const {
  if (!key_file.empty()) replace(key_file, key_pem());
  replace(certificate_file, pem());
}

}  // namespace hoptap::exporting
