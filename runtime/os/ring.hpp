// Ring: one io_uring, as requests in and completions out.
//
// Idea. A plain ring: no SINGLE_ISSUER, DEFER_TASKRUN or COOP_TASKRUN, because it moves with its processor from thread
// to thread, and because a completion must become visible while the thread that submitted it burns CPU. It knows
// requests and completions, not fibers. liburing is used in ring.cpp only.
//
// Callers. push, submit, drain, wait: whoever holds the processor that owns the ring. wake, has_completions: any thread.
// wait() blocks the OS thread. A thread that submitted must stay alive until its requests have completed: the kernel
// cancels them when it exits.
//
// I1  Each request yields exactly one completion with its user_data; those of user_data k_no_one are swallowed.
#pragma once

#include <cstdint>
#include <memory>

namespace reeve::os {

enum class Opcode : std::uint8_t {
    read, write, recv, send, accept, connect, poll, cancel,
    open, sync, stat, truncate, unlink, rename, make_directory,
};

struct Request {
    Opcode opcode;
    int fd = -1;
    const void* address = nullptr;  // of what has a path: the path, relative to the directory `fd`
    std::uint32_t length = 0;       // bytes; of a connect: of the address; of open and make_directory: the mode; of stat: the mask
    std::uint32_t flags = 0;        // of recv and send: MSG_*; of poll: events; of accept: SOCK_*; of sync: 1 leaves times out
    std::uint64_t offset = 0;       // of read and write: position, ~0 for the current one; of truncate: bytes
    void* second = nullptr;         // of stat: the struct statx to be filled; of rename: the new path
    std::uint64_t user_data = 0;    // of a cancel: of the request to be cancelled
    bool poll_first = false;        // of recv: do not try before the socket says it is readable
};

struct Completion {
    std::uint64_t user_data;
    std::int32_t result;  // as the system call's: negative is -errno
};

class Ring {
public:
    static constexpr std::uint64_t k_no_one = 0;

    // The kernel knows the request: false only for those that are newer than Linux 6.1. Any thread, once a ring was made.
    [[nodiscard]] static bool knows(Opcode opcode);

    // RWF_* that every write gets, in a ring or not.
    [[nodiscard]] static int write_flags();

    // Ends the process with advice when the kernel refuses io_uring.
    explicit Ring(unsigned entries);
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    // Queues a request for the next submit(); submits by itself when the queue is full.
    void push(const Request& request);
    [[nodiscard]] bool has_unsubmitted() const;  // any thread, a hint
    // Requests are on their way whose completions were not drained yet. Any thread, a hint.
    [[nodiscard]] bool has_in_flight() const;
    void submit();

    // Takes up to `room` completions.
    unsigned drain(Completion* into, unsigned room);
    // Reads memory only; any thread. A hint: completions may arrive at any time.
    [[nodiscard]] bool has_completions() const;

    // Submits, then sleeps until a completion, a wake() or the deadline (monotonic ns). May return early.
    void wait(std::int64_t deadline_ns);
    // Cancels every submitted request on a descriptor. Any thread.
    void cancel_all(int fd);
    // Ends the wait() in progress or the next one. Any thread; signal-safe.
    void wake();

private:
    struct Impl;
    void arm_wake();
    void wait_in_poll(std::int64_t deadline_ns);

    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
