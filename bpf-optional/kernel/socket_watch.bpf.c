// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Tells who holds a TCP socket: the process that connects, and of one that was accepted the process that reads from it
// first. Both are seen in that process's own turn, which no packet is. Once for each socket, and when it is closed.
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../owner_event.h"

enum {
  FAMILY_IPV4 = 2,
  FAMILY_IPV6 = 10,
  PROTOCOL_TCP = 6,
  SYN_SENT = 2,  // states of TCP
  CLOSE = 7,
  KERNEL_THREAD = 0x00200000,
};

// What is read of the kernel's own types. Where it lies is found when the program is loaded.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
  unsigned int inum;
};
struct net {
  struct ns_common ns;
};
typedef struct {
  struct net* net;
} possible_net_t;
struct in6_addr {
  union {
    __u8 u6_addr8[16];
  } in6_u;
};
struct sock_common {
  __be32 skc_daddr, skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};
typedef struct {
  int owned;
} socket_lock_t;
struct sock {
  struct sock_common __sk_common;
  socket_lock_t sk_lock;
  __u16 sk_protocol;
};
struct inet_sock {
  __be16 inet_sport;
};
struct task_struct {
  unsigned int flags;
  struct task_struct* group_leader;
  char comm[OWNER_COMMAND_BYTES];
};
#pragma clang attribute pop

struct owner_shared shared;

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
} owners SEC(".maps");

/// Lies with its socket, and goes with it.
struct holder {
  __u64 time_ns;
  __u64 cgroup;
  __u32 pid;
  __u32 is_reported;
  char command[OWNER_COMMAND_BYTES];
};

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct holder);
} holders SEC(".maps");

static __always_inline void set_ipv4(unsigned char* to, __be32 address) {
  __builtin_memset(to, 0, 10);
  to[10] = to[11] = 0xff;
  __builtin_memcpy(to + 12, &address, sizeof(address));
}

static __always_inline void set_holder(struct holder* holder, struct task_struct* task) {
  holder->time_ns = bpf_ktime_get_ns();
  holder->cgroup = bpf_get_current_cgroup_id();
  holder->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_core_read_str(holder->command, sizeof(holder->command), &task->group_leader->comm);
}

/// `holder` null: it is closed.
static __always_inline void report(struct sock* sk, const struct holder* holder) {
  const unsigned short family = sk->__sk_common.skc_family;
  if (family != FAMILY_IPV4 && family != FAMILY_IPV6) return;
  struct owner_event* const event = bpf_ringbuf_reserve(&owners, sizeof(*event), 0);
  if (!event) {
    __sync_fetch_and_add(&shared.lost, 1);
    return;
  }
  event->is_end = holder == 0;
  event->time_ns = holder ? holder->time_ns : bpf_ktime_get_ns();
  event->cgroup = holder ? holder->cgroup : 0;
  event->pid = holder ? holder->pid : 0;
  if (holder) __builtin_memcpy(event->command, holder->command, sizeof(event->command));
  event->network_namespace = sk->__sk_common.skc_net.net->ns.inum;
  event->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock*)sk, inet_sport));
  event->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
  if (family == FAMILY_IPV4) {
    set_ipv4(event->local, sk->__sk_common.skc_rcv_saddr);
    set_ipv4(event->remote, sk->__sk_common.skc_daddr);
  } else {
    bpf_core_read(event->local, sizeof(event->local), &sk->__sk_common.skc_v6_rcv_saddr);
    bpf_core_read(event->remote, sizeof(event->remote), &sk->__sk_common.skc_v6_daddr);
  }
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

// Who connects is known when the SYN is about to be made, its port only when the state changes again. An end is told of
// every socket that had a peer: nobody may have read from it, but another has had its addresses and ports before.
SEC("tp_btf/inet_sock_set_state")
int changes(__u64* arguments) {
  struct sock* const sk = (struct sock*)arguments[0];
  const int before = (int)arguments[1], now = (int)arguments[2];
  if (before != SYN_SENT && now != SYN_SENT && now != CLOSE) return 0;
  if (sk->sk_protocol != PROTOCOL_TCP) return 0;
  struct holder* holder;
  if (now == SYN_SENT) {
    struct task_struct* const task = bpf_get_current_task_btf();
    if (task->flags & KERNEL_THREAD) return 0;
    holder = bpf_sk_storage_get(&holders, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!holder) return 0;
    holder->is_reported = 0;  // it may have been connected before
    set_holder(holder, task);
  } else if (before == SYN_SENT) {
    holder = bpf_sk_storage_get(&holders, sk, 0, 0);
    if (holder && !holder->is_reported) {
      holder->is_reported = 1;
      report(sk, holder);
    }
  }
  if (now == CLOSE && before != CLOSE && sk->__sk_common.skc_dport != 0) report(sk, 0);
  return 0;
}

// Called with what a process has read, by that process: it holds the lock of the socket, which no packet does. What was
// reset can still be read; its end has been told.
SEC("tp_btf/tcp_rcv_space_adjust")
int reads(__u64* arguments) {
  struct sock* const sk = (struct sock*)arguments[0];
  if (bpf_sk_storage_get(&holders, sk, 0, 0) || !sk->sk_lock.owned || sk->__sk_common.skc_state == CLOSE) return 0;
  struct task_struct* const task = bpf_get_current_task_btf();
  if (task->flags & KERNEL_THREAD) return 0;
  struct holder* const holder = bpf_sk_storage_get(&holders, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!holder) return 0;
  set_holder(holder, task);
  holder->is_reported = 1;
  report(sk, holder);
  return 0;
}

char LICENSE[] SEC("license") = "GPL and additional rights";
