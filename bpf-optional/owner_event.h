// What the socket watch's program in the kernel and its reader share. C and C++.
#pragma once

enum { OWNER_COMMAND_BYTES = 16 };

/// In the ring. Addresses of IPv4 within IPv6 (::ffff:a.b.c.d), in network order; ports are in the processor's.
struct owner_event {
  unsigned long long time_ns;  // CLOCK_MONOTONIC
  unsigned long long cgroup;
  unsigned int network_namespace;
  unsigned int pid;
  unsigned char local[16], remote[16];
  unsigned short local_port, remote_port;
  char command[OWNER_COMMAND_BYTES];
  unsigned int is_end;  // the socket is closed; nobody and no control group is named
};

/// The program's only variable; in the reader's memory too.
struct owner_shared {
  unsigned long long lost;  // events that found no room in the ring
};
