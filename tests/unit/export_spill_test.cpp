#include "export/spill.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "export/json.h"
#include "flowtable/record_codec.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using exporting::GroupStore;
using linker::Group;

/// Every field different and not its default, so that one forgotten or swapped shows.
MessageRecord full_message(std::uint64_t base) {
  MessageRecord message;
  std::uint64_t next = base;
  for (std::uint64_t* field :
       {&message.first_ns, &message.last_ns, &message.last_copy_ns, &message.ack_ns, &message.ack_wait_ns,
        &message.ack_release_ns, &message.bytes, &message.head_hash, &message.unseen_bytes, &message.zero_window_ns}) {
    *field = next += 1'000'003;
  }
  std::uint32_t small = static_cast<std::uint32_t>(base);
  for (std::uint32_t* field :
       {&message.sequence, &message.end_sequence, &message.tsval, &message.tsecr, &message.retransmissions,
        &message.out_of_order, &message.duplicate_acks, &message.sack_blocks}) {
    *field = small += 4'000'037;
  }
  message.ip_id = 0xfedc;
  message.ttl = 61;
  message.copies = 4;
  for (flowtable::Copy& copy : message.copy) copy = {next += 17, small += 19, static_cast<std::uint16_t>(small)};
  return message;
}

HopRecord full_record() {
  HopRecord record;
  record.point = 3;
  record.leg_id = 0xfedcba9876543210;
  record.record_id = 1ull << 40;
  record.flags = record_flag::kHandshakeSeen | record_flag::kCopyUncertain;
  record.transport = 17;
  record.closing = 5;
  record.to_server_reset = {1'700'000'000'223'456'789, 65535, 64, 61};
  record.to_client_reset = {1'600'000'000'000'000'000, 1, 255, 0};
  const std::array<std::uint8_t, 4> v4{10, 1, 2, 3};
  const std::array<std::uint8_t, 16> v6{0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  record.client = {base::IpAddress::from(v4), 65535};
  record.server = {base::IpAddress::from(v6), 53};
  record.vantage.link = {{{1, 2, 3, 4, 5, 6}}, {{7, 8, 9, 10, 11, 12}}, {4095, 7}, 2, 77};
  record.vantage.tunnels.depth = 2;
  record.vantage.tunnels.layers[0] = {base::TunnelType::kErspan2, 9, record.client.address, record.server.address};
  record.vantage.tunnels.layers[1] = {base::TunnelType::kVxlan, 0xffffff, record.server.address, {}};
  record.client_isn = 0xffffffff;
  record.server_isn = 5;
  record.request = full_message(1'700'000'000'000'000'000);
  record.response = full_message(1'700'000'000'123'456'789);
  record.protocol = "http";
  record.method = "GET";
  record.resource = std::string("/a\0b\xff", 5);
  record.endpoint = "shop.example";
  record.status = 503;
  record.has_status = true;
  record.key = 0xffff'ffff'ffff'ffff;
  record.canonical_hash = 42;
  record.processes.client = std::make_shared<flowtable::Process>(flowtable::Process{1, "curl", ""});
  record.processes.server =
      std::make_shared<flowtable::Process>(flowtable::Process{0xffffffff, "nginx", std::string(64, 'c')});
  record.ids = {{flowtable::IdKind::kB3, true, "x"}, {flowtable::IdKind::kTraceParent, false, std::string(300, 'y')}};
  return record;
}

void expect_equal(const MessageRecord& a, const MessageRecord& b) {
  EXPECT_EQ(a.first_ns, b.first_ns);
  EXPECT_EQ(a.last_ns, b.last_ns);
  EXPECT_EQ(a.last_copy_ns, b.last_copy_ns);
  EXPECT_EQ(a.ack_ns, b.ack_ns);
  EXPECT_EQ(a.ack_wait_ns, b.ack_wait_ns);
  EXPECT_EQ(a.ack_release_ns, b.ack_release_ns);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.head_hash, b.head_hash);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.end_sequence, b.end_sequence);
  EXPECT_EQ(a.tsval, b.tsval);
  EXPECT_EQ(a.tsecr, b.tsecr);
  EXPECT_EQ(a.ip_id, b.ip_id);
  EXPECT_EQ(a.ttl, b.ttl);
  EXPECT_EQ(a.copies, b.copies);
  EXPECT_EQ(a.copy, b.copy);
  EXPECT_EQ(a.retransmissions, b.retransmissions);
  EXPECT_EQ(a.out_of_order, b.out_of_order);
  EXPECT_EQ(a.duplicate_acks, b.duplicate_acks);
  EXPECT_EQ(a.sack_blocks, b.sack_blocks);
  EXPECT_EQ(a.unseen_bytes, b.unseen_bytes);
  EXPECT_EQ(a.zero_window_ns, b.zero_window_ns);
}

void expect_equal(const HopRecord& a, const HopRecord& b) {
  EXPECT_EQ(a.point, b.point);
  EXPECT_EQ(a.leg_id, b.leg_id);
  EXPECT_EQ(a.record_id, b.record_id);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.transport, b.transport);
  EXPECT_EQ(a.closing, b.closing);
  EXPECT_EQ(a.to_server_reset, b.to_server_reset);
  EXPECT_EQ(a.to_client_reset, b.to_client_reset);
  EXPECT_EQ(a.client, b.client);
  EXPECT_EQ(a.server, b.server);
  EXPECT_EQ(a.vantage.link.source, b.vantage.link.source);
  EXPECT_EQ(a.vantage.link.target, b.vantage.link.target);
  EXPECT_EQ(a.vantage.link.vlans, b.vantage.link.vlans);
  EXPECT_EQ(a.vantage.link.vlan_count, b.vantage.link.vlan_count);
  EXPECT_EQ(a.vantage.link.interface_index, b.vantage.link.interface_index);
  EXPECT_EQ(a.vantage.tunnels, b.vantage.tunnels);
  EXPECT_EQ(a.client_isn, b.client_isn);
  EXPECT_EQ(a.server_isn, b.server_isn);
  expect_equal(a.request, b.request);
  expect_equal(a.response, b.response);
  EXPECT_EQ(a.protocol, b.protocol);
  EXPECT_EQ(a.method, b.method);
  EXPECT_EQ(a.resource, b.resource);
  EXPECT_EQ(a.endpoint, b.endpoint);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.has_status, b.has_status);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.canonical_hash, b.canonical_hash);
  EXPECT_EQ(a.ids, b.ids);
  const auto of = [](const std::shared_ptr<const flowtable::Process>& one) {
    return one ? *one : flowtable::Process{};
  };
  EXPECT_EQ(of(a.processes.client), of(b.processes.client));
  EXPECT_EQ(of(a.processes.server), of(b.processes.server));
}

TEST(RecordCodec, GivesBackEveryField) {
  for (const HopRecord& record : {full_record(), HopRecord{}}) {
    std::vector<std::uint8_t> bytes;
    flowtable::encode(record, bytes);
    base::Bytes rest(bytes);
    const auto decoded = flowtable::decode_hop(rest);
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(rest.empty());
    expect_equal(*decoded, record);
  }
}

TEST(RecordCodec, ReadsTheHeadAlone) {
  HopRecord response_only = full_record();
  response_only.request = {};
  for (const HopRecord& record : {full_record(), response_only, HopRecord{}}) {
    std::vector<std::uint8_t> bytes;
    flowtable::encode(record, bytes);
    const auto head = flowtable::decode_head(bytes);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->point, record.point);
    EXPECT_EQ(head->record_id, record.record_id);
    EXPECT_EQ(head->transport, record.transport);
    EXPECT_EQ(head->start_ns, record.request.seen() ? record.request.first_ns : record.response.first_ns);
    EXPECT_FALSE(flowtable::decode_head(base::Bytes(bytes).first(20)));
  }
}

TEST(RecordCodec, TypicalRecordsAreSmall) {
  std::vector<std::uint8_t> bytes;
  const std::vector<HopRecord> records = records_of(Scenario{});
  for (const HopRecord& record : records) flowtable::encode(record, bytes);
  EXPECT_LT(bytes.size() / records.size(), 240u);
}

TEST(RecordCodec, RefusesCutBytes) {
  std::vector<std::uint8_t> bytes;
  flowtable::encode(full_record(), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    base::Bytes cut = base::Bytes(bytes).first(size);
    EXPECT_FALSE(flowtable::decode_hop(cut)) << size;
  }
}

std::vector<std::string> lines(GroupStore& store) {
  std::vector<std::string> out;
  const base::Outcome<void> read = store.for_each([&](Group&& group) {
    for (const HopRecord& record : group.records) out.push_back(exporting::hop_json(record));
    out.emplace_back("-");
  });
  EXPECT_TRUE(read);
  return out;
}

TEST(GroupStore, GivesBackAllInOrderFromMemoryAndFile) {
  std::vector<Group> groups(3000);
  const std::vector<HopRecord> records = records_of(Scenario{});
  for (std::size_t at = 0; at < groups.size(); ++at) {
    for (std::size_t of = 0; of < at % 4; ++of) groups[at].records.push_back(records[(at * 3 + of) % records.size()]);
  }
  GroupStore in_memory, spilled(300'000), on_disk(0);
  for (GroupStore* store : {&in_memory, &spilled, &on_disk}) {
    for (const Group& group : groups) ASSERT_TRUE(store->append(group));
    EXPECT_EQ(store->groups(), groups.size());
  }
  EXPECT_EQ(in_memory.file_bytes(), 0u);
  EXPECT_GT(spilled.file_bytes(), 400'000u);
  const std::vector<std::string> expected = lines(in_memory);
  EXPECT_EQ(expected.size(), groups.size() * 5 / 2);
  EXPECT_EQ(lines(spilled), expected);
  EXPECT_EQ(lines(spilled), expected) << "a second pass";
  EXPECT_EQ(lines(on_disk), expected);
}

TEST(GroupStore, SaysWhatToDoWhenThereIsNoRoom) {
  ::setenv("TMPDIR", "/nonexistent", 1);
  GroupStore store(0);
  const Group group{records_of(Scenario{})};
  base::Outcome<void> outcome = store.append(group);
  ::unsetenv("TMPDIR");
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().what.find("/nonexistent"), std::string::npos);
  EXPECT_NE(outcome.error().what.find("TMPDIR"), std::string::npos);
  EXPECT_EQ(store.groups(), 0u);
  EXPECT_TRUE(lines(store).empty());
}

}  // namespace
}  // namespace hoptap::test
