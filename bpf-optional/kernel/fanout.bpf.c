// Shares out the packets of an interface among the members of a fanout group: both directions of a connection, however
// deep in tunnels, to one (packet(7), PACKET_FANOUT_EBPF; Linux 4.3). What a switch mirrors in numbered
// packets stays together.
#include "inner_flow.bpf.h"

SEC("socket")
int fanout(struct __sk_buff* skb) {
  struct inner_flow flow = {0};
  find_inner_flow(skb, &flow);
  return (flow.mirror != 0 ? flow.mirror : hash_of(&flow)) >> 16;
}

char LICENSE[] SEC("license") = "Apache-2.0";
