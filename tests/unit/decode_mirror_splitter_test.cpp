#include "decode/mirror/mirror_splitter.h"

#include <gtest/gtest.h>

#include "capture/packet.h"
#include "decode/decoder.h"
#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;

constexpr std::uint32_t kSwitch = 0xc6120001, kOther = 0xc6120002;  // 198.18.0.1 and .2
constexpr std::uint8_t kGre = 47;
constexpr std::uint16_t kFirst = capture::kInterfacesMax;

Buffer mirrored_frame() { return test::ethernet({}, test::ipv4({}, test::tcp({}, test::text("GET / HTTP/1.1\r\n")))); }

Buffer from(std::uint32_t source, const Buffer& gre) {
  return test::ethernet({}, test::ipv4({.source = source, .protocol = kGre}, gre));
}
Buffer erspan2(std::uint16_t session, std::uint32_t number, std::uint32_t source = kSwitch) {
  return from(source, test::gre({.type = 0x88be, .sequence = number}, test::erspan2(session, mirrored_frame())));
}
Buffer erspan3(const test::Erspan3Fields& fields, std::uint32_t number) {
  return from(kSwitch, test::gre({.type = 0x22eb, .sequence = number}, test::erspan3(fields, mirrored_frame())));
}
Buffer teb(std::uint32_t key, std::optional<std::uint32_t> number) {
  return from(kSwitch, test::gre({.type = 0x6558, .key = key, .sequence = number}, mirrored_frame()));
}
Buffer vxlan(std::uint32_t network, const Buffer& inside) {
  return test::ethernet({},
                        test::ipv4({.protocol = 17}, test::udp({.target_port = 4789}, test::vxlan(network, inside))));
}

/// A feed with a splitter behind its decoder.
struct Feed {
  std::shared_ptr<MirrorPoints> points;
  MirrorSplitter splitter;
  Decoder decoder;
  std::vector<Buffer> frames;
  std::vector<Decoded> decoded;
  std::uint64_t now_ns = 1'700'000'000'000'000'000;

  explicit Feed(MirrorConfig config = {})
      : points(std::make_shared<MirrorPoints>(std::move(config))), splitter(points) {}

  const std::vector<Decoded>& take(std::vector<Buffer> batch, std::uint16_t interface_id = 0) {
    frames = std::move(batch);
    std::vector<capture::Packet> packets;
    for (const Buffer& frame : frames) {
      packets.push_back(test::packet_of(frame, now_ns += 1'000'000));
      packets.back().interface_id = interface_id;
    }
    const std::vector<capture::Interface> interfaces(2);
    decoded.resize(packets.size());
    decoder.decode(packets, interfaces, decoded);
    splitter.split(decoded, decoder.erspan_packets());
    return decoded;
  }
  std::uint16_t number_of(const Buffer& frame, std::uint16_t interface_id = 0) {
    return take({frame}, interface_id).front().interface_id;
  }
};

TEST(MirrorSplitter, SessionsAndSwitchesArePoints) {
  Feed feed;
  EXPECT_EQ(feed.number_of(mirrored_frame()), 0);
  EXPECT_EQ(feed.number_of(erspan2(7, 1)), kFirst);
  EXPECT_EQ(feed.number_of(erspan2(8, 1)), kFirst + 1);
  EXPECT_EQ(feed.number_of(erspan2(7, 2)), kFirst);
  EXPECT_EQ(feed.number_of(erspan2(7, 1, kOther)), kFirst + 2);
  EXPECT_EQ(feed.number_of(erspan3({.session_id = 7}, 9)), kFirst);
  EXPECT_EQ(feed.number_of(erspan2(7, 1), 1), kFirst + 3);  // another interface
  EXPECT_EQ(feed.number_of(mirrored_frame(), 1), 1);
  ASSERT_EQ(feed.points->all().size(), 4u);
  EXPECT_EQ(feed.points->all()[2].from.text(), "198.18.0.2");
  EXPECT_EQ(feed.points->all()[3].interface_id, 1);
}

TEST(MirrorSplitter, ThePacketIsAsItWasMirrored) {
  Feed feed;
  const Decoded bare = feed.take({mirrored_frame()}).front();
  const Decoded split = feed.take({erspan2(7, 1)}).front();
  EXPECT_EQ(split.tunnels.depth, 0);
  EXPECT_EQ(split.source, bare.source);
  EXPECT_EQ(split.link.source, bare.link.source);
  EXPECT_EQ(split.payload.size(), bare.payload.size());

  const Buffer overlay = test::erspan2(7, vxlan(100, mirrored_frame()));
  const Decoded inner = feed.take({from(kSwitch, test::gre({.type = 0x88be, .sequence = 2}, overlay))}).front();
  ASSERT_EQ(inner.tunnels.depth, 1);
  EXPECT_EQ(inner.tunnels.layers[0].type, TunnelType::kVxlan);
  EXPECT_EQ(inner.tunnels.layers[0].id, 100u);
  EXPECT_EQ(inner.interface_id, kFirst);
}

TEST(MirrorSplitter, OfMirrorsOfMirrorsTheOuterCounts) {
  Feed feed;
  const Buffer inside = test::erspan2(9, mirrored_frame());
  const Buffer inner = from(kOther, test::gre({.type = 0x88be, .sequence = 500}, inside));
  const Decoded one =
      feed.take({from(kSwitch, test::gre({.type = 0x88be, .sequence = 1}, test::erspan2(7, inner)))}).front();
  ASSERT_EQ(one.tunnels.depth, 1);
  EXPECT_EQ(one.tunnels.layers[0].id, 9u);
  EXPECT_EQ(one.mirror.session_id, 7);
  EXPECT_EQ(one.mirror.sequence, 1u);
}

TEST(MirrorSplitter, OthersAreMirrorsByRuleOnly) {
  Feed plain;
  EXPECT_EQ(plain.number_of(teb(5, 1)), 0);
  EXPECT_EQ(plain.number_of(vxlan(900, mirrored_frame())), 0);
  EXPECT_EQ(plain.decoded.front().tunnels.depth, 1);

  Feed feed({.rules = {{.kind = MirrorKind::kGre, .id = 5, .point = 0},
                       {.kind = MirrorKind::kVxlan, .id = 900, .point = 1}}});
  EXPECT_EQ(feed.number_of(teb(5, 1)), kFirst);
  EXPECT_EQ(feed.decoded.front().tunnels.depth, 0);
  EXPECT_EQ(feed.number_of(vxlan(900, mirrored_frame())), kFirst + 1);
  EXPECT_EQ(feed.number_of(teb(6, 1)), 0);
  EXPECT_EQ(feed.number_of(vxlan(901, mirrored_frame())), 0);
  EXPECT_EQ(feed.decoded.front().tunnels.depth, 1);
  EXPECT_EQ(feed.number_of(erspan2(5, 1)), kFirst + 2);
}

TEST(MirrorSplitter, RulesTellPortsDirectionsAndSwitchesApart) {
  const auto address = base::IpAddress::from_text("198.18.0.2");
  Feed feed({.rules = {{.id = 7, .port = 12, .egress = true, .point = 0},
                       {.id = 7, .port = 12, .point = 1},
                       {.id = 8, .from = address, .point = 1}}});
  const auto with_port = [](std::uint32_t port, bool egress) {
    return test::Erspan3Fields{.session_id = 7, .egress = egress, .subheader = (3ull << 26 | port) << 32};
  };
  EXPECT_EQ(feed.number_of(erspan3(with_port(12, true), 1)), kFirst);
  EXPECT_EQ(feed.number_of(erspan3(with_port(12, false), 2)), kFirst + 1);
  EXPECT_EQ(feed.number_of(erspan3(with_port(13, false), 3)), kFirst + 2);
  EXPECT_EQ(feed.number_of(erspan3(with_port(14, true), 4)), kFirst + 2);
  EXPECT_EQ(feed.number_of(erspan2(8, 1, kOther)), kFirst + 1);  // the same point as the second rule's
  EXPECT_EQ(feed.number_of(erspan2(8, 1)), kFirst + 3);
  const MirrorSession session = feed.splitter.sessions().front();
  EXPECT_EQ(session.packets, 4u);
  EXPECT_EQ(session.numbers.lost, 0u);  // one session, however many points
}

TEST(MirrorSplitter, KnowsWhichRulesEverFitFirst) {
  Feed feed({.rules = {{.id = 7, .point = 0}, {.id = 8, .point = 1}, {.id = 7, .point = 2}, {.id = 9, .point = 3}},
             .points_max = 1});
  EXPECT_EQ(feed.splitter.matched_rules(), std::vector<bool>(4));
  feed.take({erspan2(7, 1), erspan2(8, 1), erspan2(10, 1)});
  EXPECT_EQ(feed.splitter.matched_rules(), (std::vector<bool>{true, true, false, false}));  // also where is no room
}

TEST(MirrorSplitter, CountsWhatIsLostOfEachSession) {
  Feed feed({.rules = {{.kind = MirrorKind::kGre, .id = 5}}});
  feed.take({erspan2(7, 1), erspan2(8, 10), erspan2(7, 4), erspan2(8, 11), teb(5, 3), teb(5, 5)});
  feed.take({erspan3({.session_id = 9, .hardware_id = 1}, 1), erspan3({.session_id = 9, .hardware_id = 2}, 9000)});
  feed.take({erspan3({.session_id = 9, .hardware_id = 1}, 3), erspan3({.session_id = 9, .hardware_id = 2}, 9001)});
  feed.splitter.finish();
  const std::vector<MirrorSession> sessions = feed.splitter.sessions();
  ASSERT_EQ(sessions.size(), 5u);
  EXPECT_EQ(sessions[0].lost(), 2u);
  EXPECT_EQ(sessions[1].lost(), 0u);
  EXPECT_EQ(sessions[2].lost(), 1u);
  EXPECT_EQ(sessions[3].lost(), 1u);  // engines count for themselves
  EXPECT_EQ(sessions[4].lost(), 0u);
}

TEST(MirrorSplitter, WithoutNumbersLossIsNotKnown) {
  Feed feed({.rules = {{.kind = MirrorKind::kGre, .id = 5}, {.kind = MirrorKind::kVxlan, .id = 900}}});
  const Buffer type_one = from(kSwitch, test::gre({.type = 0x88be}, mirrored_frame()));
  feed.take({type_one, teb(5, {}), vxlan(900, mirrored_frame()), type_one, teb(5, {}), vxlan(900, mirrored_frame())});
  feed.splitter.finish();
  for (const MirrorSession& session : feed.splitter.sessions()) {
    EXPECT_EQ(session.packets, 2u);
    EXPECT_EQ(session.lost(), std::nullopt);
  }
}

TEST(MirrorSplitter, WhatDoesNotFitStaysTheFeedsOwn) {
  Feed feed({.points_max = 2});
  feed.take({erspan2(1, 1), erspan2(2, 1), erspan2(3, 1), erspan2(3, 2), erspan2(1, 2)});
  EXPECT_EQ(feed.decoded[2].interface_id, 0);
  EXPECT_EQ(feed.decoded[2].tunnels.depth, 1);
  EXPECT_EQ(feed.decoded[4].interface_id, kFirst);
  const std::vector<MirrorSession> sessions = feed.splitter.sessions();
  EXPECT_EQ(sessions[2].refused_packets, 2u);
  EXPECT_TRUE(sessions[2].shares.empty());

  Feed flood;
  for (std::uint32_t n = 0; n < 3000; ++n) flood.take({erspan2(1, n, kSwitch + n)});
  EXPECT_EQ(flood.points->size(), 64u);
  EXPECT_EQ(flood.splitter.sessions().size(), MirrorSplitter::kSessionsMax);
  EXPECT_EQ(flood.splitter.unlisted_packets(), 3000u - MirrorSplitter::kSessionsMax);
}

TEST(MirrorSplitter, WorkersOfAFeedShareItsPoints) {
  const auto points = std::make_shared<MirrorPoints>();
  MirrorSplitter left(points), right(points);
  std::uint64_t passed = 0;
  const auto number = [&](MirrorSplitter& splitter, std::uint16_t session) {
    std::vector<Decoded> decoded(1);
    const test::OneDecoded one = test::decode_one(erspan2(session, 1));
    decoded.front() = one.decoded;
    splitter.split(decoded, ++passed);
    return decoded.front().interface_id;
  };
  EXPECT_EQ(number(left, 7), kFirst);
  EXPECT_EQ(number(right, 8), kFirst + 1);
  EXPECT_EQ(number(right, 7), kFirst);
}

}  // namespace
}  // namespace hoptap::decode
