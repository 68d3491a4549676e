// Rows of metrics by key, at most so many: what has no room goes to a wider row, so that sums stay whole. One thread.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "export/metrics/row.h"

namespace hoptap::exporting {

/// What had no room in a row of its own.
struct OverflowCounters {
  std::uint64_t clients = 0;  ///< went to the row of all other clients of their server
  std::uint64_t servers = 0;  ///< went to the row of all that is left at the point

  void add(const OverflowCounters& other) {
    clients += other.clients;
    servers += other.servers;
  }
  bool operator==(const OverflowCounters&) const = default;
};

/// `Values` begins as a default-made one. Holds at most rows_max rows of clients, rows_max / 4 + 1 of servers, and one
/// of each point.
template <class Values>
class RowSet {
 public:
  using Row = std::pair<MetricsKey, Values>;

  explicit RowSet(std::size_t rows_max) : rows_max_(rows_max) {}

  /// The row of the key, or a wider one when there is no room. Good until the next call.
  Values& at(const MetricsKey& key) {
    if (const auto found = numbers_.find(key); found != numbers_.end()) return rows_[found->second].second;
    if (key.scope != RowScope::kPoint && used_[index(key)] >= max_of(key.scope)) {
      ++(key.scope == RowScope::kClient ? overflow_.clients : overflow_.servers);
      return at(key.wider());
    }
    ++used_[index(key)];
    numbers_.emplace(key, rows_.size());
    return rows_.emplace_back(key, Values()).second;
  }

  const std::vector<Row>& rows() const { return rows_; }
  std::size_t size() const { return rows_.size(); }
  const OverflowCounters& overflow() const { return overflow_; }

  /// The rows by key; none are left.
  std::vector<Row> take() {
    std::vector<Row> taken = std::exchange(rows_, {});
    numbers_.clear();
    used_ = {};
    std::sort(taken.begin(), taken.end(), [](const Row& left, const Row& right) { return left.first < right.first; });
    return taken;
  }

 private:
  struct Hash {
    std::size_t operator()(const MetricsKey& key) const { return hash_value(key); }
  };
  static std::size_t index(const MetricsKey& key) { return static_cast<std::size_t>(key.scope); }
  std::size_t max_of(RowScope scope) const { return scope == RowScope::kClient ? rows_max_ : rows_max_ / 4 + 1; }

  std::size_t rows_max_;
  std::vector<Row> rows_;
  boost::unordered_flat_map<MetricsKey, std::size_t, Hash> numbers_;
  std::array<std::size_t, 3> used_{};  ///< rows of each scope
  OverflowCounters overflow_;
};

}  // namespace hoptap::exporting
