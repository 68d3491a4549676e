// Writes metrics for Prometheus: OpenMetrics 1.0, or the text format 0.0.4 for those who do not ask for it. One thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace hoptap::exporting {

enum class MetricsFormat : std::uint8_t { kText, kOpenMetrics };

/// What an Accept header wants (RFC 9110 section 12.5.1); OpenMetrics only when it is named.
MetricsFormat metrics_format(std::string_view accept);
std::string_view content_type(MetricsFormat format);

enum class FamilyType : std::uint8_t { kCounter, kGauge, kHistogram, kSummary };

/// `name="value",...`; values may be any bytes, those of "" are left out.
std::string label_text(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);

/// 1.5 s of 1500000000 ns, exactly.
std::string seconds_text(std::uint64_t ns);

class MetricsWriter {
 public:
  explicit MetricsWriter(MetricsFormat format) : format_(format) {}

  /// Samples that follow are of this family; one without samples does not appear. `name` has no _total, and ends with
  /// the unit if there is one. Borrows what it is given until the next family.
  void family(std::string_view name, FamilyType type, std::string_view unit, std::string_view help);
  /// `suffix`: "_bucket", "_count", "_sum"; of a counter "_total", which is left out of `name`; of a gauge "".
  void sample(std::string_view suffix, std::string_view labels, std::string_view value);
  void sample(std::string_view suffix, std::string_view labels, std::uint64_t value);

  /// All of it; writes nothing after.
  std::string finish();

 private:
  void begin_family();

  MetricsFormat format_;
  std::string out_;
  std::string_view name_;
  std::string_view unit_;
  std::string_view help_;
  FamilyType type_{};
  bool begun_ = false;
};

}  // namespace hoptap::exporting
