// Authorities and certificates made for a test, as PEM files.
#pragma once

#include <memory>
#include <string>

namespace hoptap::exporting {

/// A key and a certificate signed by `issuer`, or by itself.
class Certificate {
 public:
  enum class Life { kNow, kOver, kNotYet };

  /// `name`: the common name, and the DNS name or IP address it is for.
  explicit Certificate(const std::string& name, const Certificate* issuer = nullptr, Life life = Life::kNow);
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  void write(const std::string& certificate_file, const std::string& key_file) const;
  std::string pem() const;
  std::string key_pem() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hoptap::exporting
