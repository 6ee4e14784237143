// The preemption ledger of another process, read out of its memory: the process does not notice.
//
// Idea. The runtime publishes its ledger under a symbol of C, and the ledger has no pointers inside, so a copy of its bytes is
// as good as the original. It is believed only if it says that its layout is the one of this program.
#pragma once

#include <sys/types.h>
#include <string>

#include "runtime/sched/ledger.hpp"
#include "tools/prof/unwinder.hpp"

namespace reeve::prof {

// False, with the reason in words for the user.
[[nodiscard]] bool read_ledger(pid_t pid, const Unwinder& unwinder, sched::LedgerSnapshot& into, std::string& reason);

}  // namespace reeve::prof
