// Epoll: the engine where io_uring is refused (containers' seccomp profiles, old kernels, no memory to lock).
//
// Idea. Of the requests it does the polls itself; FileThreads do the rest. Each processor has an instance of its own, as it would
// have a ring: completions come to the processor where the fiber waits, its timers end the same sleep, nobody else is woken,
// and a processor that is taken from a thread takes its instance along. A descriptor may be in several.
//
// A poll arms its descriptor for one event, level-triggered (EPOLLONESHOT): ready already, or between two looks, is not lost, and
// a descriptor for which nobody waits tells nothing. That is a system call for each wait. Arming once for all,
// edge-triggered, would save it (Go does so), at the price of state that follows each descriptor's life, ready or not, in all
// threads: here a descriptor may be anybody's, and a number be closed and used again without the engine being told. So what
// is remembered per number is only a guess how to arm it, which the kernel corrects (I3).
//
// Callers: as of IoEngine; finish, FileThreads.
//
// I1  A descriptor is armed exactly while a poll waits for it, but for the moment when its event is on the way.
// I2  Pending::place, the lists and the table are guarded by `lock_`. The table grows by the holder of the processor only.
// I3  An event counts only when it carries the generation of the last registration of its number: one of a file that had the
//     number before, and lives on in a duplicate, does not.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "runtime/base/spin_lock.hpp"
#include "runtime/os/io_engine.hpp"

struct epoll_event;

namespace reeve::os {

class FileThreads;

class Epoll final : public IoEngine {
public:
    explicit Epoll(FileThreads& files);
    ~Epoll() override;

    bool push(const Request& request) override;
    [[nodiscard]] bool has_unsubmitted() const override { return false; }
    [[nodiscard]] bool has_in_flight() const override;
    void submit() override {}
    unsigned drain(Completion* into, unsigned room) override;
    [[nodiscard]] bool has_completions() const override;  // a system call while polls wait
    void wait(std::int64_t deadline_ns) override;
    void cancel_all(int fd) override;
    void wake() override;

    // The request is done. Any thread.
    void finish(Pending& pending, std::int32_t result);

private:
    struct Watched {  // a descriptor's number
        List<Pending> waiting;
        std::uint32_t armed = 0;  // the events; 0: it is not
        std::uint32_t generation = 0;
        bool is_known = false;    // registered, as far as is known
    };

    void cancel(Pending& pending);
    void take_all(const epoll_event* events, int count);
    void wake_if_asleep();
    // With lock_ held.
    int arm(int fd, Watched& watched);  // 0 or the errno
    void disarm(int fd, Watched& watched);
    void take(const epoll_event& event);
    void finish_locked(Pending& pending, std::int32_t result);
    void forget_poll(Watched& watched, Pending& pending);

    FileThreads& files_;
    int epoll_;
    int event_fd_;  // wakes
    bool is_fresh_ = false;  // wait() has just looked
    std::atomic<int> in_flight_{0};
    std::atomic<int> polls_{0};     // that wait
    std::atomic<bool> has_ready_{false};
    std::atomic<bool> is_asleep_{false};
    SpinLock lock_;  // guards what follows
    std::vector<Watched> watched_;  // by number
    List<Pending> ready_;
};

}  // namespace reeve::os
