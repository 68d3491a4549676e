// What the head tap's program in the kernel and its reader share. C and C++.
#pragma once

enum { HEAD_CPUS_MAX = 1024 };  // a power of 2; of more, those that share a place could lose counts, so it is refused

/// In the ring, before the bytes of a packet.
struct head_record {
  unsigned long long time_ns;  // CLOCK_MONOTONIC
  unsigned int wire_bytes;
  unsigned int captured_bytes;
};

/// Of one CPU; a cache line.
struct head_counts {
  unsigned long long seen;        // all that came by while the tap was open
  unsigned long long no_room;     // of these, not in the ring because it was full
  unsigned long long unreadable;  // of these, not in the ring because their bytes could not be read
  unsigned long long padding[5];
};

/// The program's only variable; in the reader's memory too.
struct head_shared {
  struct head_counts counts[HEAD_CPUS_MAX];
  unsigned int is_closed;  // packets pass by uncounted
};

/// Set before the program is loaded.
struct head_settings {
  unsigned int link_bytes;  // before the IP header
  unsigned int head_bytes;  // of the payload, from the beginning of a message
  unsigned int snap_bytes;  // of any packet
};
