// What the head tap's program in the kernel and its reader share. C and C++.
#pragma once

enum {
  HEAD_CPUS_MAX = 1024,         // a power of 2; of more, those that share a place could lose counts, so it is refused
  HEAD_CHUNK_BYTES = 68 << 10,  // of whole pages, and a record of the longest packet fits
  HEAD_CHUNK_BEGIN = 48,        // where its first record is; before that the chunk's own fields
  HEAD_ALIGNMENT = 64,          // of the bytes behind each head_record, which makes copying up to twice as fast
};

/// Before the bytes of a packet.
struct head_record {
  unsigned long long time_ns;  // CLOCK_MONOTONIC
  unsigned int wire_bytes;
  unsigned int captured_bytes;
};

/// A piece of the ring: free, or filled by one CPU with one record behind the other.
struct head_chunk {
  unsigned int
      next;  // number + 1 of the chunk below it on the stack of free ones, or that its CPU went on with; 0: none
  unsigned int end;  // of its records, once its CPU has gone on
};

/// Where a CPU is: how many chunks it has taken, the number of the last, and in it the end of the last whole record.
/// 0: it has taken none.
enum { HEAD_CHUNK_SHIFT = 24, HEAD_TAKEN_SHIFT = 40, HEAD_CHUNK_MASK = 0xffff, HEAD_AT_MASK = 0xffffff };

/// Of one CPU; a cache line that it alone writes, but for `is_closed`.
struct head_cpu {
  unsigned long long seen;        // all that came by while the tap was open
  unsigned long long no_room;     // of these, not in the ring because it was full
  unsigned long long unreadable;  // of these, not in the ring because their bytes could not be read
  unsigned long long position;
  unsigned long long last_ns;  // time of the last whole record; set behind `position`
  unsigned int first;          // number + 1 of the first chunk
  unsigned int is_busy;        // the program runs
  unsigned int is_closed;      // packets pass by uncounted; set by the reader
  unsigned int padding[3];
};

/// The program's only variable; in the reader's memory too.
struct head_shared {
  struct head_cpu cpus[HEAD_CPUS_MAX];
  unsigned long long free;    // lower half: number + 1 of the free chunk on top, 0: none; upper half: changes each time
  unsigned long long nested;  // seen where the program was interrupted by itself (PREEMPT_RT); not in the ring
};

/// Set before the program is loaded.
struct head_settings {
  unsigned int link_bytes;    // before the IP header
  unsigned int head_bytes;    // of the payload of TCP, from the beginning of a message; 0: headers alone
  unsigned int answer_bytes;  // the same, of answers of HTTP/1 and where a packet of more than head_bytes goes on
  unsigned int other_bytes;   // of what is not TCP, behind its headers
  unsigned int snap_bytes;    // of any packet
};
