// The writer's part of the ring: memory in chunks, each of them filled by one CPU, so that no CPU waits for another
// nor touches a cache line that another writes, but where a chunk is full. The reader's part is ring_reader.cpp.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "bpf-optional/head_record.h"

enum { TAKE_ATTEMPTS = 16 };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);  // set by the reader
  __type(key, __u32);
  __uint(value_size, HEAD_CHUNK_BYTES);
} chunks SEC(".maps");

struct head_shared shared;

/// A store that is seen only behind those before it. x86 has no other; elsewhere BPF has none but the atomic ones.
static __always_inline void publish(__u64* to, __u64 value) {
#ifdef HEAD_STORES_IN_ORDER
  asm volatile("" ::: "memory");
  *(volatile __u64*)to = value;
  asm volatile("" ::: "memory");
#else
  __sync_lock_test_and_set(to, value);
#endif
}

static __always_inline __u32 chunk_of(__u64 position) { return position >> HEAD_CHUNK_SHIFT & HEAD_CHUNK_MASK; }

/// Takes a free chunk and goes on in it. 0: there is none. Who is overtaken by other CPUs again and again gives up: to
/// the packet that is a full ring.
static __attribute__((noinline)) int take_chunk(struct head_cpu* mine) {
  for (int attempt = 0; attempt < TAKE_ATTEMPTS; ++attempt) {
    const __u64 top = *(volatile __u64*)&shared.free;
    const __u32 number = (__u32)top - 1;
    struct head_chunk* const taken = bpf_map_lookup_elem(&chunks, &number);
    if (!taken) return 0;
    const __u64 below = ((top >> 32) + 1) << 32 | *(volatile __u32*)&taken->next;
    if (__sync_val_compare_and_swap(&shared.free, top, below) != top) continue;
    taken->next = 0;
    const __u64 before = mine->position;
    if (before == 0) {
      mine->first = number + 1;
    } else {
      const __u32 last = chunk_of(before);
      struct head_chunk* const full = bpf_map_lookup_elem(&chunks, &last);
      if (!full) return 0;
      full->end = before & HEAD_AT_MASK;
      full->next = number + 1;
    }
    const __u64 takes = (before >> HEAD_TAKEN_SHIFT) + 1;
    publish(&mine->position, takes << HEAD_TAKEN_SHIFT | (__u64)number << HEAD_CHUNK_SHIFT | HEAD_CHUNK_BEGIN);
    return 1;
  }
  return 0;
}

/// A place for a record of at most `room` bytes, `room` being a constant so that the verifier knows it. Null: the ring
/// is full.
static __always_inline struct head_record* place(struct head_cpu* mine, const __u32 room) {
  if (mine->position == 0 || (mine->position & HEAD_AT_MASK) > HEAD_CHUNK_BYTES - room) {
    if (!take_chunk(mine)) return 0;
  }
  const __u64 position = mine->position;
  const __u32 number = chunk_of(position), at = position & HEAD_AT_MASK;
  __u8* const chunk = bpf_map_lookup_elem(&chunks, &number);
  if (!chunk || at > HEAD_CHUNK_BYTES - room) return 0;
  return (struct head_record*)(chunk + at);
}

/// The record, of so many bytes, is whole: the reader may have it.
static __always_inline void finish(struct head_cpu* mine, __u32 bytes, __u64 time_ns) {
  publish(&mine->position, mine->position + ((bytes + HEAD_ALIGNMENT - 1) & ~(HEAD_ALIGNMENT - 1)));
  publish(&mine->last_ns, time_ns);
}
