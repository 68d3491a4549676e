// Memory of an array map, shared with the kernel: no system calls once it is mapped. Private to bpf-optional/.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace hoptap::bpf {

/// Does not own `fd`, which may be closed. One that failed has is_mapped() false.
class Mapping {
 public:
  Mapping(int fd, std::size_t bytes)
      : bytes_(bytes), start_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) {}
  ~Mapping() {
    if (is_mapped()) ::munmap(start_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool is_mapped() const { return start_ != MAP_FAILED; }
  std::uint8_t* start() const { return static_cast<std::uint8_t*>(start_); }

 private:
  std::size_t bytes_;
  void* start_;
};

}  // namespace hoptap::bpf
