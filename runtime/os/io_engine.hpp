// IoEngine: requests in, completions out. Two kinds, chosen when the runtime starts: Ring (io_uring) and Epoll.
//
// Idea. What the scheduler needs of the kernel, and no more: an idle worker sleeps in it, any thread can wake it, a cancelled
// request still completes. It knows requests and completions, not fibers. A Ring takes every request; Epoll takes polls, and
// hands all else to threads that block (sched/readiness.hpp sees to it that little else comes).
//
// Callers. push, submit, drain, wait: whoever holds the processor that owns the engine. cancel_all, wake, has_*: any thread.
// wait() blocks the OS thread.
//
// I1  Each request yields exactly one completion with its user_data; those of user_data k_no_one are swallowed.
#pragma once

#include <cstdint>

#include "runtime/base/intrusive_list.hpp"

namespace reeve::os {

enum class Opcode : std::uint8_t {
    read, write, recv, send, accept, connect, poll, cancel,
    open, sync, stat, truncate, unlink, rename, make_directory,
};

struct Request;
struct FileThread;
class Epoll;

// Where Epoll keeps a request that is not complete yet: memory of whoever asks, so that it needs none.
struct Pending : ListNode<Pending> {
    enum class Place : std::uint8_t { nowhere, watched, in_thread, finished };

    std::uint64_t user_data = 0;
    Epoll* engine = nullptr;
    const Request* request = nullptr;  // of what a thread does; set by who asks, valid until the completion
    FileThread* thread = nullptr;      // that does it; guarded by FileThreads
    int fd = -1;
    std::uint32_t events = 0;
    std::int32_t result = 0;
    Place place = Place::nowhere;
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
    Pending* pending = nullptr;     // used by Epoll; of a cancel: of the request to be cancelled
    bool poll_first = false;        // of recv and send: do not try before the socket says it is ready
};

struct Completion {
    std::uint64_t user_data;
    std::int32_t result;  // as the system call's: negative is -errno
};

class IoEngine {
public:
    static constexpr std::uint64_t k_no_one = 0;

    IoEngine() = default;
    virtual ~IoEngine() = default;
    IoEngine(const IoEngine&) = delete;
    IoEngine& operator=(const IoEngine&) = delete;

    // True: the kernel has it already. False: with the next submit().
    virtual bool push(const Request& request) = 0;
    [[nodiscard]] virtual bool has_unsubmitted() const = 0;  // any thread, a hint
    // Requests are on their way whose completions were not drained yet. Any thread, a hint.
    [[nodiscard]] virtual bool has_in_flight() const = 0;
    virtual void submit() = 0;

    // Takes up to `room` completions.
    virtual unsigned drain(Completion* into, unsigned room) = 0;
    // Any thread. A hint: completions may arrive at any time.
    [[nodiscard]] virtual bool has_completions() const = 0;

    // Submits, then sleeps until a completion, a wake() or the deadline (monotonic ns). May return early.
    virtual void wait(std::int64_t deadline_ns) = 0;
    // Cancels every submitted request on a descriptor. Any thread.
    virtual void cancel_all(int fd) = 0;
    // Ends the wait() in progress or the next one. Any thread; signal-safe.
    virtual void wake() = 0;
};

}  // namespace reeve::os
