// The metrics of a batch to columns and back. Private to export/wire; one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "export/metrics/row.h"
#include "export/wire/connections.h"
#include "export/wire/visit_metrics.h"

namespace hoptap::exporting {

class MetricsWriterColumns {
 public:
  /// Texts and addresses go into the batch's tables. Borrows the row.
  void add(const MetricsRow& row, TextWriter& texts, ConnectionWriter& addresses);
  /// Appends the columns as a field of a RecordBatch.
  void finish(std::string& out);

 private:
  void put_times(const MetricsSums& sums);
  void put_sketch(const base::Sketch& sketch, MetricsNumbers& row);

  MetricsColumnSet<ColumnWriter> columns_;
  MetricsNumbers before_;
  Entry protocol_ = 0;
};

class MetricsReaderColumns {
 public:
  void open(std::string_view message, Trouble& trouble);
  /// Appends all rows; on trouble those before it. Each has a point below `points`.
  void read(TextReader& texts, const std::vector<base::IpAddress>& addresses, std::size_t points,
            std::vector<MetricsRow>& rows);

 private:
  void read_row(TextReader& texts, const std::vector<base::IpAddress>& addresses, std::size_t points, MetricsRow& row);
  void take_key(const std::vector<base::IpAddress>& addresses, std::size_t points, MetricsRow& row);
  void take_times(MetricsSums& sums);
  void take_sketch(base::Sketch& sketch);

  MetricsColumnSet<ColumnReader> columns_;
  MetricsNumbers before_;
  Entry protocol_ = 0;
};

}  // namespace hoptap::exporting
