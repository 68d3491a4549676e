// Hop records that may be of one request: everything reachable from each other by join keys is one component. Records
// wait in their compact form (flowtable/record_codec.h). One thread; owns what it holds.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "flowtable/record.h"
#include "flowtable/record_codec.h"

namespace hoptap::linker {

class Components {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = 0xffffffff;
  static constexpr std::uint64_t kNever = UINT64_MAX;

  struct Added {
    Id home = kNone;
    std::uint64_t changed_before = kNever;  ///< time of the component's last change before this one
    bool keyless = false;                   ///< there is nothing to join the record by
    bool late = false;                      ///< a component that had one of its keys was released, as far as remembered
  };

  /// @param remembered_keys_max  keys of released components kept, to tell late records
  explicit Components(std::size_t remembered_keys_max) : remembered_keys_max_(remembered_keys_max) {}

  /// Puts the record with all that shares a key with it. `tag` comes back from append_tags(); `now` becomes the
  /// component's time of last change.
  Added add(const flowtable::HopRecord& record, std::uint64_t tag, std::uint64_t now);

  /// The component changed longest ago; kNone: there is none. Go on with newer().
  Id oldest() const { return oldest_; }
  Id newer(Id id) const { return components_[id].newer; }
  std::uint64_t changed_at(Id id) const { return components_[id].changed; }
  std::size_t records_of(Id id) const { return components_[id].records; }
  /// A mark that stays with the component, and with what it merges into.
  bool given(Id id) const { return components_[id].given; }
  void set_given(Id id) { components_[id].given = true; }

  /// Its records, in the order they came.
  std::vector<flowtable::HopRecord> read(Id id) const;

  /// What orders its records, and the tags that came with them: both are found without reading the records.
  std::vector<flowtable::RecordHead> heads(Id id) const;
  void append_tags(Id id, std::vector<std::uint64_t>& tags) const;

  /// Nothing joins the component any more; it stays until it is released.
  void seal(Id id);

  /// Forgets the component, but for its keys. Its id may be used again by the next add().
  void release(Id id);

  std::size_t records() const { return records_; }
  std::size_t bytes() const { return bytes_; }  ///< of their compact forms

 private:
  struct Component {
    std::vector<std::uint8_t> bytes;  ///< tag, size of the record, record; tag, ...
    std::vector<std::uint64_t> keys;
    std::uint64_t changed = 0;
    std::uint32_t records = 0;
    bool given = false;
    Id older = kNone;
    Id newer = kNone;
  };

  /// visit(tag, its bytes) for each record of the component.
  template <class Visit>
  void each_record(Id id, Visit visit) const;
  Id find_or_make(const std::vector<std::uint64_t>& keys, Added& added);
  Id merge(Id left, Id right);
  Id make();
  void unlink(Id id);
  void touch(Id id);
  void remember(const std::vector<std::uint64_t>& keys);

  std::size_t remembered_keys_max_;
  std::vector<Component> components_;
  std::vector<Id> free_;
  boost::unordered_flat_map<std::uint64_t, Id> index_;  // looked up, never walked
  boost::unordered_flat_set<std::uint64_t> remembered_;
  std::deque<std::uint64_t> remembered_order_;
  Id oldest_ = kNone;
  Id newest_ = kNone;
  std::vector<std::uint8_t> coded_;  ///< of add(), kept for its memory
  std::size_t records_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace hoptap::linker
