// The tables of a batch that fields refer to: texts and hashes, each once, in the order of first use. Writer and reader
// have the same functions, for one visit() over a record. Private to export/wire; one thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "export/wire/batch.h"
#include "export/wire/columns.h"

namespace hoptap::exporting {

/// Of a column that refers to a table: the entry of the row before. Entry 0 is the empty text, the hash 0.
using Entry = std::uint32_t;

class TextWriter {
 public:
  /// Puts a reference to the text into the column; one longer than batch_limit::kTextBytes is cut. Borrows the text.
  void refer(ColumnWriter& columns, int column, const std::string& value, Entry& entry) {
    const std::string_view text = std::string_view(value).substr(0, batch_limit::kTextBytes);
    if (text == texts_[entry]) return;
    const Entry before = entry;
    const auto used = static_cast<Entry>(texts_.size());
    entry = text.empty() ? 0 : entries_.try_emplace(text, used).first->second;
    columns.put(column, coding::reference(entry, before, used));
    if (entry == used) add(text);
  }
  /// base::hash_bytes() of a text.
  std::uint64_t hash(Entry entry) const { return hashes_[entry]; }
  std::string_view bytes() const { return bytes_; }
  const std::string& sizes() const { return sizes_; }  ///< a packed column

 private:
  void add(std::string_view text) {
    texts_.push_back(text);
    hashes_.push_back(base::hash_bytes(base::as_bytes(text)));
    bytes_.append(text);
    append_number(text.size(), sizes_);
  }

  boost::unordered_flat_map<std::string_view, Entry> entries_;
  std::vector<std::string_view> texts_{{}};
  std::vector<std::uint64_t> hashes_{base::hash_bytes({})};
  std::string bytes_;
  std::string sizes_;
};

class HashWriter {
 public:
  void refer(ColumnWriter& columns, int column, const std::uint64_t& value, Entry& entry) {
    if (value == hashes_[entry]) return;
    const Entry before = entry;
    const auto used = static_cast<Entry>(hashes_.size());
    entry = value == 0 ? 0 : entries_.try_emplace(value, used).first->second;
    columns.put(column, coding::reference(entry, before, used));
    if (entry == used) hashes_.push_back(value);
  }
  std::string column() const {
    std::string out;
    for (std::size_t at = 1; at < hashes_.size(); ++at) append_fixed64(hashes_[at], out);
    return out;
  }

 private:
  boost::unordered_flat_map<std::uint64_t, Entry> entries_;
  std::vector<std::uint64_t> hashes_{0};
};

/// What both readers do with a reference.
class EntryReader {
 public:
  /// @return false when there is no such entry
  bool read(ColumnReader& columns, int column, Entry& entry, std::size_t entries) {
    const std::uint64_t code = columns.take(column);
    if (code == 0) return true;
    const std::uint64_t at = coding::from_reference(code, entry, used_);
    if (at >= entries || at > used_) {
      columns.refuse(column, "refers to what is not in the table");
      return false;
    }
    if (at == used_) ++used_;
    entry = static_cast<Entry>(at);
    return true;
  }

 private:
  std::uint64_t used_ = 1;
};

class TextReader {
 public:
  void open(std::string_view bytes, std::string_view sizes, Trouble& trouble) {
    while (!sizes.empty()) {
      std::uint64_t size = 0;
      if (!take_number(sizes, size)) return trouble.say("RecordBatch.text_sizes is cut");
      if (texts_.size() > batch_limit::kTexts) return trouble.say("more texts than allowed");
      if (size > batch_limit::kTextBytes) return trouble.say("a text is longer than allowed");
      if (size > bytes.size()) return trouble.say("RecordBatch.text is shorter than text_sizes say");
      texts_.push_back(bytes.substr(0, static_cast<std::size_t>(size)));
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    if (!bytes.empty()) trouble.say("RecordBatch.text is longer than text_sizes say");
    hashes_.resize(texts_.size());
    known_.resize(texts_.size());
  }
  void refer(ColumnReader& columns, int column, std::string& value, Entry& entry) {
    if (!entries_.read(columns, column, entry, texts_.size())) return;
    const std::string_view text = texts_[entry];
    given_bytes_ += text.size();
    if (given_bytes_ > batch_limit::kRecordTextBytes) return columns.refuse(column, "has more text than allowed");
    value.assign(text);
  }
  std::uint64_t hash(Entry entry) {
    if (!known_[entry]) {
      known_[entry] = true;
      hashes_[entry] = base::hash_bytes(base::as_bytes(texts_[entry]));
    }
    return hashes_[entry];
  }

 private:
  EntryReader entries_;
  std::vector<std::string_view> texts_{{}};
  std::vector<std::uint64_t> hashes_{0};
  std::vector<bool> known_{false};
  std::size_t given_bytes_ = 0;
};

class HashReader {
 public:
  void open(std::string_view column, Trouble& trouble) {
    if (column.size() % 8 != 0) return trouble.say("RecordBatch.hashes is cut");
    hashes_.reserve(1 + column.size() / 8);
    for (std::uint64_t hash = 0; take_fixed64(column, hash);) hashes_.push_back(hash);
  }
  void refer(ColumnReader& columns, int column, std::uint64_t& value, Entry& entry) {
    if (entries_.read(columns, column, entry, hashes_.size())) value = hashes_[entry];
  }

 private:
  EntryReader entries_;
  std::vector<std::uint64_t> hashes_{0};
};

}  // namespace hoptap::exporting
