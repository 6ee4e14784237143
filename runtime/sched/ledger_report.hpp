// What a ledger says, for people and for flame graph tools.
//
// Values in, text out; the names come from the caller, who may look at its own process or at another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "runtime/sched/ledger.hpp"

namespace reeve::sched {

// The function that a code address lies in.
using Namer = std::function<std::string(std::uintptr_t code)>;

// "handed_over;FUNCTION", "parked;FUNCTION", "refused;REASON;FUNCTION", "taken;REASON" or "yielded", to how often.
[[nodiscard]] std::map<std::string, std::uint64_t> ledger_folded(const LedgerSnapshot& ledger, const Namer& name);

// Figures, and of each kind the `top` functions with the most events. Empty when nothing has happened.
[[nodiscard]] std::string ledger_table(const LedgerSnapshot& ledger, const Namer& name, std::size_t top);

// The two above for this process: the table to be appended to a dump.
[[nodiscard]] std::string ledger_table_of_this_process(const Ledger& ledger, std::size_t top);

}  // namespace reeve::sched
