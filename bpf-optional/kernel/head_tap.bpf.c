// Copies the head of every packet of an interface into a ring: all headers, and of the payload of TCP so much as a
// message begins with; bodies are left out. Attached where the kernel hands packets to and takes them from the
// interface (tc).
#include "chunks.bpf.h"
#include "inner_flow.bpf.h"

enum {
  WAYS_BITS = 14,
  CAPTURED_MAX = 1 << 16,
  MAC_PAIR_BYTES = 12,
  TAG_BYTES = 4,
  ROOM_AROUND = 64,  // of a record, what is not of the packet: its fields, a tag that is put back, alignment
  ROOM_SMALL = 2048,
  ROOM_MIDDLE = 9216,
  NEXT_PROGRAM = -1,  // TCX_NEXT and TC_ACT_UNSPEC: the packet goes on as if we were not there
};

const volatile struct head_settings settings = {ETHERNET_BYTES, 4096, 512, 4096, CAPTURED_MAX};

struct way_places {
  __u64 of[1 << WAYS_BITS];
};

// Of each direction of a connection, by hash, where its message begins: the sequence number in the upper half, then
// more of the hash, and the end of what was acknowledged with it. A stranger in its place only costs bytes: a message
// begins anew. Small, since each page and line of it that is touched is one less of the application's in the cache.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct way_places);
} ways SEC(".maps");

/// Not the same in the other direction.
static __always_inline __u64 hash_of_way(const struct inner_flow* flow) {
  const __u64 addresses = (__u64)flow->source << 32 | flow->target;
  const __u64 ports = (__u64)flow->source_port << 16 | flow->target_port;
  return addresses * 0x9e3779b97f4a7c15ull + ports * 0xc2b2ae3d27d4eb4full;
}

enum {
  ACKNOWLEDGED_MASK = (1u << 20) - 1,
  LATE_MAX = 1u << 20,     // bytes before the beginning of a message that still belong to the one before it
  MESSAGE_MAX = 1u << 30,  // bytes; behind them a message begins anew, for numbers go round
};

/// How far the segment is in its message. One begins where something else is acknowledged than before, for then the
/// other side has spoken; and behind a segment that ended what its sender had to say (PSH). By sequence numbers, so
/// that what was lost and comes again is where it would have been. 0 of what belongs before the beginning, too.
static __always_inline __u32 passed_bytes(const struct inner_flow* flow, __u32 payload_bytes, __u64* place, __u32 who) {
  const __u64 known = *place;
  const __u32 begin = known >> 32, from = flow->sequence, acknowledged = flow->acknowledged & ACKNOWLEDGED_MASK;
  const int is_same = ((__u32)known & ~ACKNOWLEDGED_MASK) == who;
  if (is_same && begin - from - 1 < LATE_MAX) return 0;
  const int goes_on = is_same && ((__u32)known & ACKNOWLEDGED_MASK) == acknowledged && from - begin < MESSAGE_MAX;
  const __u32 next = flow->flags & TCP_FLAG_PSH ? from + payload_bytes : goes_on ? begin : from;
  *place = (__u64)next << 32 | who | acknowledged;
  return goes_on ? from - begin : 0;
}

/// Does an answer of HTTP/1 begin there?
static __always_inline int is_answer(struct __sk_buff* skb, __u32 at) {
  __u32 begin;
  return bpf_skb_load_bytes(skb, at, &begin, sizeof(begin)) == 0 && begin == bpf_htonl(0x48545450);  // "HTTP"
}

/// How many of the bytes from `at` on are to be kept: those of the first head_bytes of a message. Of a packet that is
/// longer than that, as hosts that leave segmentation to the NIC have them, half as much where a message begins, else
/// answer_bytes; so much also of an answer of HTTP/1: most of these is a body, and copying it takes the application's
/// time.
static __always_inline __u32 kept_payload(struct __sk_buff* skb, const struct inner_flow* flow, __u32 at,
                                          __u32 payload_bytes) {
  const __u64 hash = hash_of_way(flow);
  const __u32 only = 0;
  struct way_places* const places = bpf_map_lookup_elem(&ways, &only);
  if (!places) return payload_bytes;
  const __u32 passed = passed_bytes(flow, payload_bytes, &places->of[hash >> (64 - WAYS_BITS)],
                                    (__u32)(hash >> 16) & ~ACKNOWLEDGED_MASK);
  const __u32 left = passed < settings.head_bytes ? settings.head_bytes - passed : 0;
  const __u32 most = payload_bytes < left ? payload_bytes : left;
  if (most <= settings.answer_bytes) return most;
  const int is_long = payload_bytes > settings.head_bytes;
  if (passed != 0 ? is_long : is_answer(skb, at)) return settings.answer_bytes;
  return is_long && most > settings.head_bytes / 2 ? settings.head_bytes / 2 : most;
}

/// What nearly every packet is: TCP right behind Ethernet and an IP header without options. As find_inner_flow() would,
/// in a fifth of the time. False: something else.
static __always_inline int find_plain_ipv4(struct __sk_buff* skb, struct inner_flow* flow) {
  const struct {
    __u16 macs[6], type;
    __u8 version, service;
    __u16 total_bytes, id, fragment;
    __u8 ttl, protocol;
    __u16 sum, source[2], target[2], ports[2], numbers[4], flags;
  }* const head = (void*)(long)skb->data;
  if ((void*)(head + 1) > (void*)(long)skb->data_end) return 0;
  if (head->type != bpf_htons(TYPE_IPV4) || head->version != 0x45 || head->protocol != PROTOCOL_TCP) return 0;
  if ((head->fragment & bpf_htons(0x3fff)) != 0 || head->total_bytes == 0) return 0;
  set_addresses(flow, word(head->source[0], head->source[1]), word(head->target[0], head->target[1]));
  set_ports(flow, head->ports[0], head->ports[1]);
  set_tcp(flow, 20, head->numbers, bpf_ntohs(head->flags));
  flow->end = bpf_ntohs(head->total_bytes);
  return 1;
}

static __always_inline int find_plain_ipv6(struct __sk_buff* skb, struct inner_flow* flow) {
  const struct {
    __u16 macs[6], type;
    __u8 version, label[3];
    __u16 payload_bytes;
    __u8 next, hops;
    __u16 source[8], target[8], ports[2], numbers[4], flags;
  }* const head = (void*)(long)skb->data;
  if ((void*)(head + 1) > (void*)(long)skb->data_end) return 0;
  if (head->type != bpf_htons(TYPE_IPV6) || head->version >> 4 != 6 || head->next != PROTOCOL_TCP) return 0;
  if (head->payload_bytes == 0) return 0;
  const __u16 *const from = head->source, *const to = head->target;
  set_addresses(flow,
                fold(word(from[0], from[1]), word(from[2], from[3]), word(from[4], from[5]), word(from[6], from[7])),
                fold(word(to[0], to[1]), word(to[2], to[3]), word(to[4], to[5]), word(to[6], to[7])));
  set_ports(flow, head->ports[0], head->ports[1]);
  set_tcp(flow, 40, head->numbers, bpf_ntohs(head->flags));
  flow->end = 40 + bpf_ntohs(head->payload_bytes);
  return 1;
}

/// Bytes from the beginning of the packet that are to be kept.
static __always_inline __u32 kept_bytes(struct __sk_buff* skb, const struct inner_flow* flow) {
  __u32 kept = settings.link_bytes + flow->offset;
  if (!flow->has_tcp) {
    kept += settings.other_bytes;
  } else if (settings.head_bytes != 0) {
    // Without an end it is more than a length can say: segments that are still together.
    const __u32 end = flow->end != 0 ? settings.link_bytes + flow->end : skb->len;
    if (end > kept) kept += kept_payload(skb, flow, kept, end - kept);
  }
  if (kept > skb->len) kept = skb->len;
  return kept < settings.snap_bytes ? kept : settings.snap_bytes;
}

/// Of what is no plain IPv4. Like all that is not inline, apart from what runs for nearly every packet, so that the
/// latter is a few lines of the cache.
static __attribute__((noinline)) __u32 kept_of_others(struct __sk_buff* skb) {
  struct inner_flow flow = {0};
  if (settings.link_bytes != ETHERNET_BYTES || !find_plain_ipv6(skb, &flow)) find_inner_flow(skb, &flow);
  return kept_bytes(skb, &flow);
}

/// The packet's record, of at most `room` bytes; a tag that the kernel took out, of `tag_bytes`, is put back. Nobody is
/// woken: the reader looks by itself, and waking it would be this packet's time.
static __always_inline void keep(struct __sk_buff* skb, struct head_cpu* mine, __u64 now_ns, __u32 bytes,
                                 const __u32 tag_bytes, const __u32 room) {
  const __u32 before_bytes = tag_bytes ? MAC_PAIR_BYTES : 0;
  struct head_record* const record = place(mine, room);
  if (!record) {
    ++mine->no_room;
    return;
  }
  record->time_ns = now_ns;
  record->wire_bytes = skb->len + tag_bytes;
  record->captured_bytes = bytes + tag_bytes;
  __u8* to = (__u8*)(record + 1);
  __u32 more_bytes = bytes - before_bytes - 1;  // than one
  if (tag_bytes) {
    if (bpf_skb_load_bytes(skb, 0, to, MAC_PAIR_BYTES) != 0) goto unreadable;
    *(__u16*)(to + MAC_PAIR_BYTES) = (__u16)skb->vlan_proto;
    *(__u16*)(to + MAC_PAIR_BYTES + 2) = bpf_htons((__u16)skb->vlan_tci);
    to += MAC_PAIR_BYTES + TAG_BYTES;
  }
  asm volatile("" : "+r"(more_bytes));  // else another register may be handed over than is checked
  if (more_bytes >= room - sizeof(*record) - before_bytes - tag_bytes) goto unreadable;
  if (bpf_skb_load_bytes(skb, before_bytes, to, more_bytes + 1) != 0) goto unreadable;
  finish(mine, sizeof(*record) + bytes + tag_bytes, now_ns);
  return;
unreadable:
  ++mine->unreadable;
}

/// What is long or has a tag. Rooms are of few sizes, which the verifier knows; each the end of a chunk that is left
/// empty at most.
static __attribute__((noinline)) void keep_others(struct __sk_buff* skb, struct head_cpu* mine, __u64 now_ns,
                                                  __u32 bytes) {
  if (skb->vlan_present && bytes <= ROOM_MIDDLE - ROOM_AROUND) {
    keep(skb, mine, now_ns, bytes, TAG_BYTES, ROOM_MIDDLE);
  } else if (skb->vlan_present) {
    keep(skb, mine, now_ns, bytes, TAG_BYTES, CAPTURED_MAX + ROOM_AROUND);
  } else if (bytes <= ROOM_MIDDLE - ROOM_AROUND) {
    keep(skb, mine, now_ns, bytes, 0, ROOM_MIDDLE);
  } else {
    keep(skb, mine, now_ns, bytes, 0, CAPTURED_MAX + ROOM_AROUND);
  }
}

static __always_inline void take(struct __sk_buff* skb, struct head_cpu* mine) {
  ++mine->seen;
  const __u64 now_ns = bpf_ktime_get_ns();
  struct inner_flow flow = {0};
  const int is_plain = settings.link_bytes == ETHERNET_BYTES && find_plain_ipv4(skb, &flow);
  const __u32 bytes = is_plain ? kept_bytes(skb, &flow) : kept_of_others(skb);
  if (bytes <= ROOM_SMALL - ROOM_AROUND && !skb->vlan_present) {
    keep(skb, mine, now_ns, bytes, 0, ROOM_SMALL);
  } else {
    keep_others(skb, mine, now_ns, bytes);
  }
}

SEC("tc")
int head_tap(struct __sk_buff* skb) {
  struct head_cpu* const mine = &shared.cpus[bpf_get_smp_processor_id() % HEAD_CPUS_MAX];
  if (*(volatile __u32*)&mine->is_closed) return NEXT_PROGRAM;
  if (*(volatile __u32*)&mine->is_busy) {
    __sync_fetch_and_add(&shared.nested, 1);
    return NEXT_PROGRAM;
  }
  *(volatile __u32*)&mine->is_busy = 1;
  take(skb, mine);
  *(volatile __u32*)&mine->is_busy = 0;
  return NEXT_PROGRAM;
}

char LICENSE[] SEC("license") = "Apache-2.0";
