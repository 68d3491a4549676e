// The tests, or with --append-to FOLDER FD a process that appends to a spool until it is killed.
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "tests/transport/rig.h"

namespace {

using namespace hoptap::exporting;

/// Says each number that the spool says is stored.
int append_for_ever(const std::string& folder, int said) {
  auto spool = Spool::open(folder, {});
  if (!spool) return 1;
  for (;;) {
    const std::uint64_t sequence = (*spool)->last_sequence() + 1;
    if (!(*spool)->append(payload_of(sequence, 3000), 1, "mark " + std::to_string(sequence))) return 2;
    if (::write(said, &sequence, sizeof sequence) != sizeof sequence) return 3;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--append-to") return append_for_ever(argv[2], std::atoi(argv[3]));
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
