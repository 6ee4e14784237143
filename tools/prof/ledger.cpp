#include "tools/prof/ledger.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tools/prof/snapshot.hpp"

namespace reeve::prof {
namespace {

// Room for a ledger that is never constructed: the bytes are another process's.
union Copy {
    Copy() {}
    ~Copy() {}
    std::byte bytes[sizeof(sched::Ledger)];
    sched::Ledger ledger;
};

}  // namespace

bool read_ledger(pid_t pid, const Unwinder& unwinder, sched::LedgerSnapshot& into, std::string& reason) {
    const std::string process = "process " + std::to_string(pid);
    const std::optional<std::uint64_t> variable = unwinder.find_variable("reeve_preemption_ledger");
    if (!variable) {
        reason = process + " has no preemption ledger: it is no program of this runtime, or stripped of its symbols";
        return false;
    }
    std::uint64_t address = 0;
    if (read_memory(pid, *variable, std::as_writable_bytes(std::span(&address, 1))) != sizeof address) {
        reason = "cannot read the memory of " + process;
        return false;
    }
    if (address == 0) {
        reason = process + " is not inside run() at the moment";
        return false;
    }
    const auto copy = std::make_unique<Copy>();
    if (read_memory(pid, address, copy->bytes) != sizeof copy->bytes || !copy->ledger.is_readable()) {
        reason = "the preemption ledger of " + process + " is of another version: take the reeve-prof of its build";
        return false;
    }
    into = copy->ledger.snapshot();
    return true;
}

}  // namespace reeve::prof
