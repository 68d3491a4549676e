// What other versions send and what hostile bytes hold, made with protobuf's own code from records.proto.
#include <gtest/gtest.h>
#include <records.pb.h>

#include <functional>

#include "tests/unit/wire_records.h"
#include "tests/unit/wire_same.h"

namespace hoptap::test {
namespace {

using exporting::decode_batch;
using exporting::encode_batch;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using hoptap::v1::RecordBatch;

/// Has every message of the format.
Batch full_batch(int hops = 30) {
  AnyNumber any(77);
  Batch batch{.points = {{.name = "a"}, {.name = "b", .order = 2}}};
  for (int count = 0; count < hops; ++count) batch.hops.push_back(any_hop(any, 2));
  for (int count = 0; count < hops / 3; ++count) batch.legs.push_back(any_leg(any, 2));
  for (int count = 0; count < hops / 3; ++count) batch.metrics.push_back(any_metrics(any, 2));
  return batch;
}

RecordBatch message_of(const Batch& batch) {
  RecordBatch message;
  EXPECT_TRUE(message.ParseFromString(encode_batch(batch)));
  return message;
}

/// Goes over a message and all messages inside.
void for_each_message(Message& message, const std::function<void(Message&)>& take) {
  take(message);
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) for_each_message(*message.GetReflection()->MutableMessage(&message, field), take);
    for (int at = 0; field->is_repeated() && at < message.GetReflection()->FieldSize(message, field); ++at)
      for_each_message(*message.GetReflection()->MutableRepeatedMessage(&message, field, at), take);
  }
}

std::string refusal(const RecordBatch& message) {
  const auto decoded = decode_batch(message.SerializeAsString());
  return decoded ? "" : decoded.error().what;
}

TEST(WireVersions, BytesAreWhatTheProtoFileSays) {
  const Batch batch = full_batch();
  RecordBatch message = message_of(batch);
  int messages = 0;
  for_each_message(message, [&](Message& inside) {
    ++messages;
    EXPECT_TRUE(inside.GetReflection()->GetUnknownFields(inside).empty()) << inside.GetDescriptor()->name();
  });
  EXPECT_GT(messages, 20);
  EXPECT_EQ(message.hops().rows(), 30u);
  EXPECT_EQ(message.hops().request().first_ns_size(), 30);
  EXPECT_EQ(message.legs().to_client().ttl_size(), 10);
  const auto decoded = decode_batch(message.SerializeAsString());  // as any protobuf library would write it
  ASSERT_TRUE(decoded) << decoded.error().what;
  expect_same(batch, *decoded);
}

TEST(WireVersions, FieldsOfNewerVersionsArePassedOver) {
  const Batch batch = full_batch();
  RecordBatch message = message_of(batch);
  for_each_message(message, [](Message& inside) {
    auto& unknown = *inside.GetReflection()->MutableUnknownFields(&inside);
    unknown.AddLengthDelimited(30, "\x01\x02\x03");  // as many values as may be
    unknown.AddVarint(100, 7);
    unknown.AddFixed64(200, 7);
    unknown.AddFixed32(20'000, 7);
    unknown.AddLengthDelimited(500, std::string(1000, '\xff'));
  });
  const auto decoded = decode_batch(message.SerializeAsString());
  ASSERT_TRUE(decoded) << decoded.error().what;
  expect_same(batch, *decoded);
}

TEST(WireVersions, ColumnsThatOlderVersionsDoNotHaveReadAsZero) {
  RecordBatch message = message_of(full_batch());
  message.mutable_hops()->mutable_request()->clear_zero_window_ns();
  message.mutable_hops()->clear_closing();
  message.mutable_hops()->clear_to_client_reset();
  message.mutable_legs()->mutable_to_server()->clear_packets();
  const auto decoded = decode_batch(message.SerializeAsString());
  ASSERT_TRUE(decoded) << decoded.error().what;
  ASSERT_EQ(decoded->hops.size(), 30u);
  for (const HopRecord& hop : decoded->hops) {
    EXPECT_EQ(hop.request.zero_window_ns, 0u);
    EXPECT_EQ(hop.closing, 0);
    EXPECT_FALSE(hop.to_client_reset.seen());
  }
}

TEST(WireVersions, SumsHaveTheNamesOfTheCatalog) {
  const auto expect_named = [](const google::protobuf::Descriptor& columns, const auto& infos) {
    ASSERT_EQ(static_cast<std::size_t>(columns.field_count()), infos.size());
    for (std::size_t at = 0; at < infos.size(); ++at) {
      const FieldDescriptor* field = columns.FindFieldByNumber(static_cast<int>(at) + 1);
      ASSERT_NE(field, nullptr) << at;
      EXPECT_EQ(field->name(), infos[at].name);
    }
  };
  expect_named(*hoptap::v1::CountColumns::descriptor(), exporting::count_infos());
  expect_named(*hoptap::v1::WayColumns::descriptor(), exporting::way_infos());
}

TEST(WireVersions, MetricsOfNewerVersionsLoseOnlyWhatIsNew) {
  Batch batch{.points = {{}}};
  AnyNumber any(5);
  batch.metrics = {any_metrics(any, 1), any_metrics(any, 1)};
  batch.metrics[0].key = {};
  batch.metrics[1].key = batch.metrics[1].key.wider().wider();
  for (exporting::MetricsRow& row : batch.metrics) row.values.sums.times = {};
  RecordBatch message = message_of(batch);
  message.mutable_metrics()->set_scope(1, 99);
  message.mutable_metrics()->clear_times_set();
  message.mutable_metrics()->add_times_set(std::uint64_t{1} << 40);
  message.mutable_metrics()->add_times_set(1u << 3);
  message.mutable_metrics()->mutable_times()->add_count(77);
  message.mutable_metrics()->mutable_times()->add_count(5);
  batch.metrics[1].values.sums.times[3].count = 5;
  const auto decoded = decode_batch(message.SerializeAsString());
  ASSERT_TRUE(decoded) << decoded.error().what;
  expect_same(batch, *decoded);
}

TEST(WireVersions, ChangesThatMustBeKnownAreRefusedInWords) {
  RecordBatch message = message_of(full_batch());
  message.set_must_know(1u << 3);
  EXPECT_EQ(refusal(message), "record batch: made by a newer version with change 3; update this side first");
}

TEST(WireVersions, KindsOfNewerVersionsAreLeftOut) {
  Batch batch{.points = {{}}};
  HopRecord hop;
  hop.ids = {{flowtable::IdKind::kPinpoint, true, "kept"}, {flowtable::IdKind::kB3, false, "new"}};
  hop.vantage.tunnels.depth = 2;
  hop.vantage.tunnels.layers[1].id = 5;
  batch.hops = {hop};
  batch.legs.emplace_back().close = flowtable::CloseType::kEvicted;
  RecordBatch message = message_of(batch);
  message.mutable_hops()->mutable_header_ids()->set_kind(1, 99);
  message.mutable_vantages(0)->mutable_tunnels(0)->set_type(99);
  message.mutable_legs()->set_close(0, 99);
  const auto decoded = decode_batch(message.SerializeAsString());
  ASSERT_TRUE(decoded) << decoded.error().what;
  ASSERT_EQ(decoded->hops.at(0).ids.size(), 1u);
  EXPECT_EQ(decoded->hops.at(0).ids.at(0).value, "kept");
  ASSERT_EQ(decoded->hops.at(0).vantage.tunnels.depth, 1);
  EXPECT_EQ(decoded->hops.at(0).vantage.tunnels.layers[0].id, 5u);
  EXPECT_EQ(decoded->legs.at(0).close, flowtable::CloseType::kOpen);
}

struct Bad {
  std::string said;
  std::function<void(RecordBatch&)> change;
};

TEST(WireVersions, BadBatchesAreRefusedInWords) {
  const std::vector<Bad> bad = {
      {"HopColumns.flags has too few values", [](auto& m) { m.mutable_hops()->mutable_flags()->RemoveLast(); }},
      {"HopColumns.flags has too many values", [](auto& m) { m.mutable_hops()->add_flags(1); }},
      {"more records than allowed", [](auto& m) { m.mutable_hops()->set_rows(65'537); }},
      {"more records than allowed", [](auto& m) { m.mutable_hops()->set_rows(65'530); }},
      {"more records than allowed", [](auto& m) { m.mutable_legs()->set_rows(UINT64_MAX); }},
      {"HopColumns.connection names", [](auto& m) { m.mutable_hops()->set_connection(0, 0); }},
      {"LegColumns.connection names", [](auto& m) { m.mutable_legs()->set_connection(9, UINT64_MAX); }},
      {"MetricsColumns.rows is more", [](auto& m) { m.mutable_metrics()->set_rows(8193); }},
      {"MetricsColumns.times_set has too few", [](auto& m) { m.mutable_metrics()->mutable_times_set()->RemoveLast(); }},
      {"WayColumns.syn has too many", [](auto& m) { m.mutable_metrics()->mutable_to_server()->add_syn(1); }},
      {"TimeColumns.min_ns has too many", [](auto& m) { m.mutable_metrics()->mutable_times()->add_min_ns(1); }},
      {"BucketColumns.empty has too few", [](auto& m) { m.mutable_metrics()->set_buckets(9, UINT64_MAX); }},
      {"MetricsColumns.buckets has more",
       [](auto& m) { m.mutable_metrics()->mutable_latency()->set_empty(1, UINT64_MAX); }},
      {"MetricsColumns.point names", [](auto& m) { m.mutable_metrics()->set_point(0, 8); }},
      {"MetricsColumns.server_address names", [](auto& m) { m.mutable_metrics()->set_server_address(0, 5000); }},
      {"MetricsColumns.first_bucket leads", [](auto& m) { m.mutable_metrics()->set_first_bucket(0, 3072); }},
      {"HopColumns.closing has a value out of range", [](auto& m) { m.mutable_hops()->set_closing(3, 256); }},
      {"HopColumns.resource refers", [](auto& m) { m.mutable_hops()->set_resource(0, 50'000); }},
      {"HopColumns.ids has more", [](auto& m) { m.mutable_hops()->set_ids(0, 65); }},
      {"HeaderIdColumns.kind has too few",
       [](auto& m) {
         m.mutable_hops()->mutable_header_ids()->clear_kind(), m.mutable_hops()->mutable_header_ids()->add_kind(1);
       }},
      {"MessageColumns.head_hash refers", [](auto& m) { m.clear_hashes(); }},
      {"ConnectionColumns.point names", [](auto& m) { m.mutable_connections()->set_point(0, 8); }},
      {"ConnectionColumns.rows is more", [](auto& m) { m.mutable_connections()->set_rows(1u << 20); }},
      {"ConnectionColumns.client_address names", [](auto& m) { m.clear_addresses(), m.clear_vantages(); }},
      {"ConnectionColumns.client_process names", [](auto& m) { m.mutable_connections()->add_client_process(9999); }},
      {"RecordBatch.processes has a bad one", [](auto& m) { m.add_processes()->set_name(std::string(5000, 'x')); }},
      {"ConnectionColumns.vantage names", [](auto& m) { m.clear_vantages(); }},
      {"names a point that is not there", [](auto& m) { m.clear_points(); }},
      {"more points than allowed",
       [](auto& m) {
         for (int at = 0; at < 1024; ++at) m.add_points();
       }},
      {"more stamps", [](auto& m) { m.mutable_points(0)->add_stamps()->set_by(std::string(33, 'x')); }},
      {"more stamps",
       [](auto& m) {
         for (int n = 0; n < 9; ++n) m.mutable_points(0)->add_stamps();
       }},
      {"name or role is longer", [](auto& m) { m.mutable_points(0)->set_name(std::string(1025, 'x')); }},
      {"text is shorter", [](auto& m) { m.mutable_text()->pop_back(); }},
      {"text is longer", [](auto& m) { m.mutable_text()->push_back('x'); }},
      {"a text is longer than allowed", [](auto& m) { m.set_text_sizes(0, 65'537); }},
      {"neither 4 nor 16", [](auto& m) { m.add_addresses("12345"); }},
      {"vantages has a bad one", [](auto& m) { m.add_vantages()->set_source_mac("1"); }},
      {"vantages has a bad one", [](auto& m) { m.add_vantages()->set_vlan_count(3); }},
      {"vantages has a bad one", [](auto& m) { m.add_vantages()->add_vlans(1); }},
      {"vantages has a bad one", [](auto& m) { m.add_vantages()->add_tunnels()->set_source(1u << 20); }},
  };
  for (const Bad& one : bad) {
    RecordBatch message = message_of(full_batch());
    one.change(message);
    EXPECT_NE(refusal(message).find(one.said), std::string::npos) << one.said << " / " << refusal(message);
  }
}

TEST(WireVersions, BytesThatAreNoBatchAreRefused) {
  for (const std::string bytes : {"\xff", "\x0a", "\x0b", "\x4a\x01\xff", "\x48\x01", "\x09\x01"})
    EXPECT_FALSE(decode_batch(bytes)) << bytes;
  const std::string twice = encode_batch(full_batch()) + encode_batch(full_batch());
  EXPECT_FALSE(decode_batch(twice));
}

TEST(WireVersions, TextThatManyRecordsShareIsBounded) {
  Batch batch{.points = {{}}};
  batch.hops.resize(2000);
  for (HopRecord& hop : batch.hops) hop.resource = std::string(exporting::batch_limit::kTextBytes, 'x');
  EXPECT_EQ(exporting::text_bytes(batch.hops[0]), exporting::batch_limit::kTextBytes);
  const auto decoded = decode_batch(encode_batch(batch));
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().what.find("more text than allowed"), std::string::npos) << decoded.error().what;
}

TEST(WireVersions, CutAndChangedBytesDoNoHarm) {
  const std::string bytes = encode_batch(full_batch(6));
  std::size_t refused = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    refused += decode_batch(std::string(bytes.data(), size)) ? 0u : 1u;  // a copy of its own: reads beyond show
  EXPECT_GT(refused, bytes.size() * 9 / 10);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(~static_cast<unsigned char>(changed[at]));
    const auto decoded = decode_batch(changed);
    EXPECT_TRUE(decoded || !decoded.error().what.empty()) << at;
  }
}

}  // namespace
}  // namespace hoptap::test
