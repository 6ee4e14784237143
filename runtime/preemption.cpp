#include "runtime/preemption.hpp"

#include <string>
#include <unistd.h>

#include "runtime/sched/ledger_report.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/symbols.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {
namespace {

// Names are looked up afterwards, outside the runtime: that takes long.
sched::LedgerSnapshot snapshot() {
    sched::Entry entry;
    const sched::Scheduler* scheduler = sched::Scheduler::active();
    return scheduler ? scheduler->ledger.snapshot() : sched::LedgerSnapshot{};
}

void write_out(int fd, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
        if (written <= 0) return;
        done += static_cast<std::size_t>(written);
    }
}

}  // namespace

void preemption_table(int fd, std::size_t top) {
    sched::Symbols symbols;
    write_out(fd, sched::ledger_table(snapshot(), [&](std::uintptr_t code) { return symbols.name_of(code); }, top));
}

void preemption_profile(int fd) {
    sched::Symbols symbols;
    std::string text;
    for (const auto& [stack, count] :
         sched::ledger_folded(snapshot(), [&](std::uintptr_t code) { return symbols.name_of(code); }))
        text.append(stack).append(" ").append(std::to_string(count)).append("\n");
    write_out(fd, text);
}

}  // namespace reeve
