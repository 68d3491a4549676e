// Walks from the IP header of a packet to its innermost connection, through VLAN tags, tunnels and extension headers.
// Runs in the kernel, in any program that gets an skb. Reads bytes where they are; changes nothing.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
  WALK_STEPS = 20,  // headers; what lies deeper is not looked at, and the packet is of what was found until then
  EXTENSIONS_MAX = 8,

  TYPE_IPV4 = 0x0800,
  TYPE_IPV6 = 0x86dd,
  TYPE_VLAN = 0x8100,
  TYPE_VLAN_SERVICE = 0x88a8,
  TYPE_VLAN_OLD = 0x9100,
  TYPE_ETHERNET_IN_GRE = 0x6558,
  TYPE_ERSPAN = 0x88be,
  TYPE_ERSPAN_3 = 0x22eb,

  PROTOCOL_HOP_OPTIONS = 0,
  PROTOCOL_IPIP = 4,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,
  PROTOCOL_IPV6 = 41,
  PROTOCOL_ROUTING = 43,
  PROTOCOL_FRAGMENT = 44,
  PROTOCOL_GRE = 47,
  PROTOCOL_AUTHENTICATION = 51,
  PROTOCOL_TARGET_OPTIONS = 60,

  PORT_VXLAN = 4789,
  PORT_VXLAN_LINUX = 8472,
  PORT_GENEVE = 6081,

  TCP_FLAG_PSH = 0x08,
  ETHERNET_BYTES = 14,
};

enum walk_at { AT_TYPE, AT_PROTOCOL, AT_END };  // what the next header is told by

struct inner_flow {
  __u32 source, target;            // innermost addresses; of IPv6 folded to 32 bits
  __u16 source_port, target_port;  // as in the packet; 0 when not known
  __u32 mirror;                    // of the ends of a tunnel whose packets are numbered, their hash; else 0
  __u32 offset;                    // from the first IP header to what has not been walked over
  __u32 end;                       // behind the innermost IP packet, as its header says; 0 when it does not
  __u32 sequence, acknowledged;    // of TCP
  __u16 type;                      // of what is at offset: an EtherType, at AT_TYPE
  __u8 protocol;                   // an IP protocol, at AT_PROTOCOL, and of the innermost packet at AT_END
  __u8 flags;                      // of TCP
  __u8 has_tcp;                    // offset is behind the TCP header
  __u8 extensions;
};

enum { HASH_FACTOR = 0x9e3779b1u };

/// The same either way; every bit of it in the upper ones.
static __always_inline __u32 hash_of(const struct inner_flow* flow) {
  return (flow->source ^ flow->target ^ flow->source_port ^ flow->target_port) * HASH_FACTOR;
}

/// Of an IPv6 address, so that addresses of one network and their interchanged halves differ.
static __always_inline __u32 fold(__u32 first, __u32 second, __u32 third, __u32 last) {
  return ((first * HASH_FACTOR + second) * HASH_FACTOR + third) * HASH_FACTOR + last;
}

static __always_inline int load(struct __sk_buff* skb, __u32 offset, void* to, __u32 bytes) {
  return bpf_skb_load_bytes_relative(skb, offset, to, bytes, BPF_HDR_START_NET);
}

static __always_inline int is_vlan(__u16 type) {
  return type == TYPE_VLAN || type == TYPE_VLAN_SERVICE || type == TYPE_VLAN_OLD;
}

static __always_inline void set_addresses(struct inner_flow* flow, __u32 source, __u32 target) {
  flow->source = source;
  flow->target = target;
  flow->source_port = flow->target_port = 0;
}

static __always_inline enum walk_at walk_ipv4(struct __sk_buff* skb, struct inner_flow* flow) {
  __u32 head[5];
  if (load(skb, flow->offset, head, sizeof(head)) != 0) return AT_END;
  const __u32 first = bpf_ntohl(head[0]);
  if (first >> 28 != 4) return AT_END;
  const __u32 total_bytes = first & 0xffff;
  flow->end = total_bytes == 0 ? 0 : flow->offset + total_bytes;
  flow->offset += (first >> 24 & 0xf) * 4;
  flow->protocol = bpf_ntohl(head[2]) >> 16 & 0xff;
  set_addresses(flow, bpf_ntohl(head[3]), bpf_ntohl(head[4]));
  return (bpf_ntohl(head[1]) & 0x3fff) == 0 ? AT_PROTOCOL : AT_END;  // a fragment: of it the addresses alone
}

static __always_inline enum walk_at walk_ipv6(struct __sk_buff* skb, struct inner_flow* flow) {
  __u32 head[10];
  if (load(skb, flow->offset, head, sizeof(head)) != 0) return AT_END;
  if (bpf_ntohl(head[0]) >> 28 != 6) return AT_END;
  const __u32 payload_bytes = bpf_ntohl(head[1]) >> 16;
  flow->end = payload_bytes == 0 ? 0 : flow->offset + sizeof(head) + payload_bytes;
  flow->offset += sizeof(head);
  flow->protocol = bpf_ntohl(head[1]) >> 8 & 0xff;
  set_addresses(flow, fold(bpf_ntohl(head[2]), bpf_ntohl(head[3]), bpf_ntohl(head[4]), bpf_ntohl(head[5])),
                fold(bpf_ntohl(head[6]), bpf_ntohl(head[7]), bpf_ntohl(head[8]), bpf_ntohl(head[9])));
  return AT_PROTOCOL;
}

static __always_inline enum walk_at walk_extension(struct __sk_buff* skb, struct inner_flow* flow) {
  __u8 head[4];
  if (flow->extensions++ >= EXTENSIONS_MAX || load(skb, flow->offset, head, sizeof(head)) != 0) return AT_END;
  const __u8 kind = flow->protocol;
  flow->protocol = head[0];
  if (kind == PROTOCOL_FRAGMENT) {
    flow->offset += 8;
    return (head[2] << 8 | (head[3] & 0xf9)) == 0 ? AT_PROTOCOL : AT_END;
  }
  flow->offset += kind == PROTOCOL_AUTHENTICATION ? (head[1] + 2) * 4 : (head[1] + 1) * 8;
  return AT_PROTOCOL;
}

static __always_inline enum walk_at walk_ethernet(struct __sk_buff* skb, struct inner_flow* flow) {
  __u16 type;
  if (load(skb, flow->offset + ETHERNET_BYTES - 2, &type, sizeof(type)) != 0) return AT_END;
  flow->type = bpf_ntohs(type);
  flow->offset += ETHERNET_BYTES;
  return AT_TYPE;
}

/// What is numbered may be counted by its numbers, so all of a mirror's session has to meet in one place; and so do all
/// sessions of a switch, which may have a session for each direction.
static __always_inline void note_mirror(struct inner_flow* flow) {
  const __u8 is_mirror = flow->type == TYPE_ERSPAN || flow->type == TYPE_ERSPAN_3 || flow->type == TYPE_ETHERNET_IN_GRE;
  if (is_mirror && flow->mirror == 0) flow->mirror = hash_of(flow) | 1;
}

/// RFC 2784 and 2890; ERSPAN types I (without a sequence number), II and III.
static __always_inline enum walk_at walk_gre(struct __sk_buff* skb, struct inner_flow* flow) {
  __u8 head[4];
  if (load(skb, flow->offset, head, sizeof(head)) != 0) return AT_END;
  if ((head[1] & 7) != 0 || (head[0] & 0x40) != 0) return AT_END;  // another version; source routes
  const __u8 has_sequence = (head[0] & 0x10) != 0;
  flow->type = head[2] << 8 | head[3];
  flow->offset += 4 + ((head[0] & 0x80) != 0 ? 4 : 0) + ((head[0] & 0x20) != 0 ? 4 : 0) + (has_sequence ? 4 : 0);
  if (has_sequence) note_mirror(flow);
  if (flow->type == TYPE_ETHERNET_IN_GRE) return walk_ethernet(skb, flow);
  if (flow->type == TYPE_ERSPAN) {
    flow->offset += has_sequence ? 8 : 0;
    return walk_ethernet(skb, flow);
  }
  if (flow->type == TYPE_ERSPAN_3) {
    __u8 last;
    if (load(skb, flow->offset + 11, &last, 1) != 0) return AT_END;
    flow->offset += (last & 1) != 0 ? 20 : 12;
    return walk_ethernet(skb, flow);
  }
  return AT_TYPE;
}

static __always_inline void set_ports(struct inner_flow* flow, __u16 source, __u16 target) {
  flow->source_port = source;
  flow->target_port = target;
}

static __always_inline enum walk_at walk_udp(struct __sk_buff* skb, struct inner_flow* flow) {
  __u16 ports[2];
  if (load(skb, flow->offset, ports, sizeof(ports)) != 0) return AT_END;
  set_ports(flow, ports[0], ports[1]);
  const __u16 target = bpf_ntohs(ports[1]);
  if (target == PORT_VXLAN || target == PORT_VXLAN_LINUX) {
    flow->offset += 8 + 8;
    return walk_ethernet(skb, flow);
  }
  if (target != PORT_GENEVE) return AT_END;
  __u8 head[4];
  if (load(skb, flow->offset + 8, head, sizeof(head)) != 0) return AT_END;
  flow->type = head[2] << 8 | head[3];
  flow->offset += 8 + 8 + (head[0] & 0x3f) * 4;
  return flow->type == TYPE_ETHERNET_IN_GRE ? walk_ethernet(skb, flow) : AT_TYPE;
}

/// Two of 16 bits, as they are in a packet.
static __always_inline __u32 word(__u16 high, __u16 low) { return (__u32)bpf_ntohs(high) << 16 | bpf_ntohs(low); }

/// Of the TCP header at `offset`. `numbers`: of sequence and acknowledgement; `last`: the 16 bits with its length and
/// flags.
static __always_inline void set_tcp(struct inner_flow* flow, __u32 offset, const __u16* numbers, __u16 last) {
  flow->sequence = word(numbers[0], numbers[1]);
  flow->acknowledged = word(numbers[2], numbers[3]);
  flow->flags = last & 0xff;
  flow->offset = offset + (last >> 12) * 4;
  flow->has_tcp = 1;
}

static __always_inline enum walk_at walk_tcp(struct __sk_buff* skb, struct inner_flow* flow) {
  __u16 head[7];
  if (load(skb, flow->offset, head, sizeof(head)) != 0) return AT_END;
  set_ports(flow, head[0], head[1]);
  set_tcp(flow, flow->offset, head + 2, bpf_ntohs(head[6]));
  return AT_END;
}

static __always_inline enum walk_at walk_type(struct __sk_buff* skb, struct inner_flow* flow) {
  if (flow->type == TYPE_IPV4) return walk_ipv4(skb, flow);
  if (flow->type == TYPE_IPV6) return walk_ipv6(skb, flow);
  if (!is_vlan(flow->type)) return AT_END;
  __u16 tag[2];
  if (load(skb, flow->offset, tag, sizeof(tag)) != 0) return AT_END;
  flow->type = bpf_ntohs(tag[1]);
  flow->offset += sizeof(tag);
  return AT_TYPE;
}

static __always_inline enum walk_at walk_protocol(struct __sk_buff* skb, struct inner_flow* flow) {
  switch (flow->protocol) {
    case PROTOCOL_TCP: return walk_tcp(skb, flow);
    case PROTOCOL_UDP: return walk_udp(skb, flow);
    case PROTOCOL_GRE: return walk_gre(skb, flow);
    case PROTOCOL_IPIP: flow->type = TYPE_IPV4; return AT_TYPE;
    case PROTOCOL_IPV6: flow->type = TYPE_IPV6; return AT_TYPE;
    case PROTOCOL_HOP_OPTIONS:
    case PROTOCOL_ROUTING:
    case PROTOCOL_FRAGMENT:
    case PROTOCOL_AUTHENTICATION:
    case PROTOCOL_TARGET_OPTIONS: return walk_extension(skb, flow);
    default: return AT_END;
  }
}

/// One header. Not inline, not static: the verifier looks at such a function once, not once for each way that leads
/// here (Linux 5.12).
__attribute__((noinline)) int walk_header(struct __sk_buff* skb, struct inner_flow* flow, int at) {
  if (!flow) return AT_END;
  return at == AT_TYPE ? walk_type(skb, flow) : walk_protocol(skb, flow);
}

static __always_inline void find_inner_flow(struct __sk_buff* skb, struct inner_flow* flow) {
  int at = AT_TYPE;
  flow->type = bpf_ntohs((__u16)skb->protocol);
  for (int step = 0; step < WALK_STEPS && at != AT_END; ++step) at = walk_header(skb, flow, at);
}