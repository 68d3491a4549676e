// The part of protobuf's encoding that batches need: fields of numbers, fixed numbers and bytes, front to back without
// copies. Columns stay as they lie, so that reading hostile bytes takes no memory. Private to export/wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hoptap::exporting {

enum class FieldType : std::uint8_t { kNumber = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Appends a base-128 number, least significant group first.
inline void append_number(std::uint64_t value, std::string& out) {
  char digits[10];
  std::size_t count = 0;
  while (value >= 0x80) {
    digits[count++] = static_cast<char>(static_cast<unsigned char>(value | 0x80));
    value >>= 7;
  }
  digits[count++] = static_cast<char>(value);
  out.append(digits, count);
}

inline void append_fixed64(std::uint64_t value, std::string& out) {
  char digits[8];
  for (char& digit : digits) {
    digit = static_cast<char>(static_cast<unsigned char>(value & 0xff));
    value >>= 8;
  }
  out.append(digits, sizeof digits);
}

inline void append_tag(int field, FieldType type, std::string& out) {
  append_number(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(type), out);
}

inline void append_number_field(int field, std::uint64_t value, std::string& out) {
  if (value == 0) return;
  append_tag(field, FieldType::kNumber, out);
  append_number(value, out);
}

/// Even when empty: an element of a list.
inline void append_bytes_field(int field, std::string_view bytes, std::string& out) {
  append_tag(field, FieldType::kBytes, out);
  append_number(bytes.size(), out);
  out.append(bytes);
}

/// Takes a number off the front. @return false when the bytes end within it or it has more than 64 bits
inline bool take_number(std::string_view& bytes, std::uint64_t& value) {
  if (!bytes.empty() && static_cast<unsigned char>(bytes.front()) < 0x80) {
    value = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    return true;
  }
  value = 0;
  for (std::size_t at = 0; at < bytes.size() && at < 10; ++at) {
    const std::uint64_t digit = static_cast<unsigned char>(bytes[at]);
    if (at == 9 && digit > 1) return false;
    value |= (digit & 0x7f) << (7 * at);
    if (digit >= 0x80) continue;
    bytes.remove_prefix(at + 1);
    return true;
  }
  return false;
}

inline bool take_fixed64(std::string_view& bytes, std::uint64_t& value) {
  if (bytes.size() < 8) return false;
  value = 0;
  for (std::size_t at = 8; at > 0; --at) value = value << 8 | static_cast<unsigned char>(bytes[at - 1]);
  bytes.remove_prefix(8);
  return true;
}

/// One field of a message. Borrows the message.
struct Field {
  std::uint64_t number = 0;
  FieldType type{};
  std::uint64_t value = 0;  ///< of kNumber
  std::string_view bytes;   ///< of kBytes
};

/// Goes over the fields of a message.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}

  /// @return false at the end, and where the bytes are no protobuf: then ok() is false
  bool next(Field& field) {
    if (!ok_ || rest_.empty()) return false;
    ok_ = take(field);
    return ok_;
  }
  bool ok() const { return ok_; }

 private:
  bool take(Field& field) {
    std::uint64_t tag = 0;
    if (!take_number(rest_, tag) || tag >> 3 == 0 || tag >> 32 != 0) return false;
    field = {tag >> 3, static_cast<FieldType>(tag & 7), 0, {}};
    switch (field.type) {
      case FieldType::kNumber: return take_number(rest_, field.value);
      case FieldType::kFixed64: return take_bytes(8, field.bytes);
      case FieldType::kFixed32: return take_bytes(4, field.bytes);
      case FieldType::kBytes: {
        std::uint64_t size = 0;
        return take_number(rest_, size) && take_bytes(size, field.bytes);
      }
    }
    return false;  // groups: never used by proto3
  }
  bool take_bytes(std::uint64_t size, std::string_view& bytes) {
    if (size > rest_.size()) return false;
    bytes = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(static_cast<std::size_t>(size));
    return true;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace hoptap::exporting
