// Ring: the engine that is one io_uring.
//
// Idea. A plain ring: no SINGLE_ISSUER, DEFER_TASKRUN or COOP_TASKRUN, because it moves with its processor from thread
// to thread, and because a completion must become visible while the thread that submitted it burns CPU. liburing is used
// in ring.cpp only.
//
// Callers: as of IoEngine. A thread that submitted must stay alive until its requests have completed: the kernel cancels
// them when it exits.
#pragma once

#include <memory>

#include "runtime/os/io_engine.hpp"

namespace reeve::os {

class Ring final : public IoEngine {
public:
    // The kernel knows the request: false only for those that are newer than Linux 6.1. Any thread, once a ring was made.
    [[nodiscard]] static bool knows(Opcode opcode);

    // Null when the kernel refuses io_uring: `error` is the errno then, ENOSYS also for a kernel before Linux 6.1.
    [[nodiscard]] static std::unique_ptr<Ring> make(unsigned entries, int& error);

    ~Ring() override;

    bool push(const Request& request) override;  // submits by itself when the queue is full
    [[nodiscard]] bool has_unsubmitted() const override;
    [[nodiscard]] bool has_in_flight() const override;
    void submit() override;
    unsigned drain(Completion* into, unsigned room) override;
    [[nodiscard]] bool has_completions() const override;  // reads memory only
    void wait(std::int64_t deadline_ns) override;
    void cancel_all(int fd) override;
    void wake() override;

private:
    struct Impl;
    explicit Ring(std::unique_ptr<Impl> impl);
    void arm_wake();
    void wait_in_poll(std::int64_t deadline_ns);

    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::os
