// Snapshotter: stops threads of another process for a moment and copies what is needed to unwind them later.
//
// Idea. A thread is seized, interrupted, its registers and the top of its stack are copied, and it is let go,
// all within some tens of microseconds; unwinding happens afterwards, on the copy. Nothing stays attached
// between two samples: a traced thread would stop at each signal until we wake, and the runtime's own ticks
// are signals. Should this program die half-way, the kernel detaches the rest.
//
// The price: a thread runs on for the microseconds until it stops, and one that was woken and waits for a CPU
// looks the same as one that has it. Bursts of work shorter than that are blurred: PerfEvents is exact, where
// it is permitted.
//
// Side effects on the target: a system call that a stop interrupts is restarted by the kernel, but the few
// that never are (epoll_wait, io_uring_enter) return EINTR, as after SIGSTOP and SIGCONT. Threads that run
// are hardly ever in one.
//
// One thread only uses this object; it waits for all children and tracees of the program.
#pragma once

#include <sys/types.h>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace reeve::prof {

constexpr unsigned k_register_count = 17;  // in DWARF's numbering for x86-64; the last is the program counter
constexpr std::size_t k_stack_pointer = 7;

// Deeper stacks are cut at this many bytes and shown as incomplete.
constexpr std::size_t k_stack_bytes_max = 128 * 1024;

struct Snapshot {
    pid_t tid = 0;
    std::array<std::uint64_t, k_register_count> registers{};
    std::uint64_t stack_start = 0;
    std::span<const std::byte> stack;
    std::int64_t stopped_ns = 0;
    bool was_runnable = false;  // and not asleep, when it was told to stop
};

class Snapshotter {
public:
    explicit Snapshotter(pid_t pid) : pid_(pid) {}

    // Stops these threads, each for a moment, and calls `use` for those that could be stopped, when all run
    // on already. A snapshot is valid during that call.
    void take(std::span<const pid_t> threads, const std::function<void(const Snapshot&)>& use);

private:
    [[nodiscard]] bool copy(pid_t tid, int signal, Snapshot& into, std::vector<std::byte>& buffer);

    pid_t pid_;
    std::vector<std::vector<std::byte>> buffers_;  // reused from one call to the next
};

// Copies memory of the process, as much as is readable from `address` on.
std::size_t read_memory(pid_t pid, std::uint64_t address, std::span<std::byte> into);

}  // namespace reeve::prof
