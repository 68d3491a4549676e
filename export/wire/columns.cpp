#include "export/wire/columns.h"

#include <google/protobuf/descriptor.h>

namespace hoptap::exporting {

void ColumnWriter::finish(std::string& out) {
  for (int number = 1; number < kColumnsMax; ++number) {
    Column& column = columns_[static_cast<std::size_t>(number)];
    if (column.rows == 0) continue;
    fill(column, row_);
    append_bytes_field(number, column.bytes, out);
  }
}

void ColumnReader::open(std::string_view message, const google::protobuf::Descriptor& descriptor, Trouble& trouble) {
  descriptor_ = &descriptor;
  trouble_ = &trouble;
  FieldReader fields(message);
  for (Field field; fields.next(field);) {
    if (field.number >= kColumnsMax) continue;
    const int number = static_cast<int>(field.number);
    const auto* known = descriptor.FindFieldByNumber(number);
    if (known == nullptr) continue;
    const std::size_t at = static_cast<std::size_t>(number);
    const bool is_number = !known->is_repeated() && known->message_type() == nullptr;
    if (field.type != (is_number ? FieldType::kNumber : FieldType::kBytes)) return refuse(number, "is of another type");
    if (columns_[at].data() != nullptr) return refuse(number, "is there twice");
    if (is_number) numbers_[at] = field.value;
    if (!is_number && !field.bytes.empty()) columns_[at] = field.bytes;
  }
  if (!fields.ok()) trouble.say(descriptor.name() + " is not protobuf");
}

bool ColumnReader::is_column(int column) const {
  const auto* field = descriptor_->FindFieldByNumber(column);
  return field != nullptr && field->is_packed();
}

void ColumnReader::finish() {
  if (descriptor_ == nullptr) return;
  for (int number = 1; number < kColumnsMax; ++number)
    if (!columns_[static_cast<std::size_t>(number)].empty() && is_column(number)) refuse(number, "has too many values");
}

void ColumnReader::refuse(int column, std::string_view what) {
  if (descriptor_ == nullptr || trouble_ == nullptr || trouble_->any()) return;
  const auto* field = descriptor_->FindFieldByNumber(column);
  trouble_->say(descriptor_->name() + "." + (field != nullptr ? field->name() : std::to_string(column)) + " " +
                std::string(what));
}

}  // namespace hoptap::exporting
