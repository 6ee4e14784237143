#include "tools/prof/snapshot.hpp"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <algorithm>
#include <cerrno>
#include <csignal>

#include "runtime/base/time.hpp"
#include "tools/prof/target.hpp"

#ifndef __x86_64__
#error "reeve-prof knows the registers of x86-64 only"
#endif

namespace reeve::prof {
namespace {

constexpr std::uint64_t k_page_bytes = 4096;

// Below the stack pointer the ABI lets a function keep its locals without saying so.
constexpr std::uint64_t k_red_zone_bytes = 128;

std::array<std::uint64_t, k_register_count> in_dwarf_order(const user_regs_struct& regs) {
    return {regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp, regs.rsp, regs.r8,
            regs.r9,  regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15, regs.rip};
}

bool seize(pid_t tid) { return ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) == 0; }

void let_go(pid_t tid, int signal) {
    ptrace(PTRACE_DETACH, tid, nullptr, reinterpret_cast<void*>(static_cast<std::intptr_t>(signal)));
}

// A stop that reports a signal on its way holds it back until it is handed on; a stop of our own making, or
// one of the whole group, reports an event instead.
int signal_to_hand_on(int status) { return status >> 16 == 0 ? WSTOPSIG(status) : 0; }

}  // namespace

std::size_t read_memory(pid_t pid, std::uint64_t address, std::span<std::byte> into) {
    // One element per page: the kernel stops at the first element it cannot read whole.
    std::array<iovec, k_stack_bytes_max / k_page_bytes + 2> remote;
    std::size_t count = 0;
    std::uint64_t at = address;
    const std::uint64_t end = address + into.size();
    while (at < end && count < remote.size()) {
        const std::uint64_t next = std::min(end, (at / k_page_bytes + 1) * k_page_bytes);
        remote[count++] = {reinterpret_cast<void*>(at), next - at};
        at = next;
    }
    const iovec local{into.data(), into.size()};
    const ssize_t bytes = process_vm_readv(pid, &local, 1, remote.data(), count, 0);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

void Snapshotter::take(std::span<const pid_t> threads, const std::function<void(const Snapshot&)>& use) {
    std::vector<pid_t> seized;
    std::vector<pid_t> asleep;
    for (const pid_t tid : threads) {
        if (!seize(tid)) continue;
        // A thread that sleeps by now would be seen in the call it sleeps in, which then seems to take the
        // CPU time of what came before. It must be interrupted all the same: a seized thread is released from
        // a stop only.
        if (thread_state(pid_, tid) != 'R') asleep.push_back(tid);
        ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
        seized.push_back(tid);
    }
    if (buffers_.size() < seized.size())
        buffers_.resize(seized.size(), std::vector<std::byte>(k_stack_bytes_max));
    // Unwinding waits until nobody is stopped any more.
    std::vector<Snapshot> snapshots;
    std::size_t pending = seized.size();
    while (pending > 0) {
        int status = 0;
        const pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR) continue;  // they must be let go first, whoever is impatient
        if (tid < 0) break;
        --pending;
        Snapshot snapshot;
        if (!WIFSTOPPED(status) ||
            !copy(tid, signal_to_hand_on(status), snapshot, buffers_[snapshots.size()]))
            continue;
        snapshot.was_runnable = std::find(asleep.begin(), asleep.end(), tid) == asleep.end();
        snapshots.push_back(snapshot);
    }
    for (const Snapshot& snapshot : snapshots) use(snapshot);
}

// The thread is let go in any case.
bool Snapshotter::copy(pid_t tid, int signal, Snapshot& into, std::vector<std::byte>& buffer) {
    const std::int64_t start = now_ns();
    user_regs_struct regs{};
    iovec area{&regs, sizeof regs};
    const bool known =
        ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void*>(1L /* NT_PRSTATUS */), &area) == 0;
    into.tid = tid;
    into.registers = in_dwarf_order(regs);
    into.stack_start = regs.rsp - k_red_zone_bytes;
    const std::size_t bytes = known ? read_memory(pid_, into.stack_start, buffer) : 0;
    into.stack = std::span<const std::byte>(buffer).first(bytes);
    let_go(tid, signal);
    into.stopped_ns = now_ns() - start;
    return known;
}

}  // namespace reeve::prof
