// The columns of a message: a ColumnWriter takes the fields of row after row and makes packed protobuf fields of them,
// a ColumnReader gives them back. Both have the same functions with the same arguments, so that one visit() over a
// record serves both ways. Columns are known by their field number. Private to export/wire; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "export/wire/codings.h"
#include "export/wire/protobuf_bytes.h"

namespace google::protobuf {
class Descriptor;
}

namespace hoptap::exporting {

inline constexpr int kColumnsMax = 32;  ///< field numbers lie below

class ColumnWriter {
 public:
  void next_row() { ++row_; }
  std::uint64_t rows() const { return row_; }

  template <class Number>
  void plain(int column, const Number& value) {
    put(column, static_cast<std::uint64_t>(value));
  }
  template <class Number>
  void difference(int column, const Number& value, Number expected) {
    put(column, coding::difference(value, expected));
  }
  void time(int column, const std::uint64_t& value, std::uint64_t expected, std::uint64_t other = 0) {
    put(column, coding::time(value, expected, other));
  }
  /// Eight bytes: the value, exclusive or with what is expected.
  void fixed(int column, const std::uint64_t& value, std::uint64_t expected = 0) {
    if (value == expected) return;
    Column& to = columns_[static_cast<std::size_t>(column)];
    to.width = 8;
    fill(to, row_);
    append_fixed64(value ^ expected, to.bytes);
    to.rows = row_ + 1;
  }
  void put(int column, std::uint64_t code) {
    if (code == 0) return;
    Column& to = columns_[static_cast<std::size_t>(column)];
    fill(to, row_);
    append_number(code, to.bytes);
    to.rows = row_ + 1;
  }

  /// Appends the columns that are not all zero as fields of a message.
  void finish(std::string& out);

 private:
  struct Column {
    std::string bytes;
    std::uint64_t rows = 0;  ///< in `bytes`; those that are missing are zero
    std::size_t width = 1;   ///< of a zero
  };
  static void fill(Column& column, std::uint64_t rows) {
    if (column.rows < rows) column.bytes.append((rows - column.rows) * column.width, '\0');
  }

  std::array<Column, kColumnsMax> columns_;
  std::uint64_t row_ = 0;
};

/// The first thing that is wrong with a batch, in words.
struct Trouble {
  std::string what;
  void say(std::string text) {
    if (what.empty()) what = std::move(text);
  }
  bool any() const { return !what.empty(); }
};

class ColumnReader {
 public:
  /// Columns that the bytes do not have read as zero, fields that this version does not know are passed over. Borrows.
  void open(std::string_view message, const google::protobuf::Descriptor& descriptor, Trouble& trouble);
  /// Of a column of bytes or of a message inside; nothing when it is not there.
  std::string_view bytes(int column) const { return columns_[static_cast<std::size_t>(column)]; }
  std::uint64_t number(int column) const { return numbers_[static_cast<std::size_t>(column)]; }
  void next_row() {}

  template <class Number>
  void plain(int column, Number& value) {
    const std::uint64_t code = take(column);
    if (code > std::numeric_limits<Number>::max()) return refuse(column, "has a value out of range");
    value = static_cast<Number>(code);
  }
  template <class Number>
  void difference(int column, Number& value, Number expected) {
    value = coding::from_difference(take(column), expected);
  }
  void time(int column, std::uint64_t& value, std::uint64_t expected, std::uint64_t other = 0) {
    value = coding::from_time(take(column), expected, other);
  }
  void fixed(int column, std::uint64_t& value, std::uint64_t expected = 0) {
    std::string_view& from = columns_[static_cast<std::size_t>(column)];
    std::uint64_t code = 0;
    if (from.data() != nullptr && !take_fixed64(from, code)) refuse(column, "has too few values");
    value = code ^ expected;
  }
  std::uint64_t take(int column) {
    std::string_view& from = columns_[static_cast<std::size_t>(column)];
    std::uint64_t code = 0;
    if (from.data() != nullptr && !take_number(from, code)) refuse(column, "has too few values");
    return code;
  }

  /// Says so when a column has more values than were taken. Those of messages inside are not looked at.
  void finish();
  /// The column is at fault: "HopColumns.flags has too few values".
  void refuse(int column, std::string_view what);
  Trouble& trouble() { return *trouble_; }

 private:
  bool is_column(int column) const;

  std::array<std::string_view, kColumnsMax> columns_;  ///< what is not yet taken; no data: all zero
  std::array<std::uint64_t, kColumnsMax> numbers_{};
  const google::protobuf::Descriptor* descriptor_ = nullptr;
  Trouble* trouble_ = nullptr;
};

}  // namespace hoptap::exporting
