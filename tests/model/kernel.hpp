// Kernel: what a ring and a descriptor are to a model (waiting.hpp): requests that were queued, those in flight, and how each ends.
//
// Requests that were queued get to the kernel with submit(), or when a fiber is switched away from. A completion is handed over
// when a fiber is switched away from, as its worker would that looks at its ring. Giving a number back while the kernel still
// has a request for it, or giving it back twice, ends the execution.
//
// Model threads, and the test's own thread between executions.
#pragma once

#include <cstdint>
#include <deque>

#include "tests/model/waiting.hpp"

#define reeve reeve_model
#define atomic TracedAtomic
#include "runtime/os/io_engine.hpp"
#undef atomic
#undef reeve

namespace reeve_model {

class Kernel {
public:
    // Of the execution that is going on.
    static Kernel& now();

    // The one descriptor there is: a socket, or something whose requests must be cancelled.
    bool is_socket = false;
    bool is_shut_down = false;
    int times_closed = 0;

    void push(const os::Request& request);
    void submit();
    // Something arrives: the oldest request in flight ends with this result. False: there is none.
    bool complete_one(std::int32_t result);
    void cancel_all();
    void shut_down();
    void close();

    [[nodiscard]] bool has_queued() const { return !queued_.empty(); }
    [[nodiscard]] bool has_completions() const { return !done_.empty(); }
    [[nodiscard]] bool has_in_flight() const { return !in_flight_.empty(); }
    // A cancel may be left over that has nothing to cancel any more.
    [[nodiscard]] bool is_quiet() const { return in_flight_.empty() && done_.empty(); }
    os::Completion next_completion() {
        const os::Completion first = done_.front();
        done_.pop_front();
        return first;
    }

private:
    void take(const os::Request& request);
    void end(std::size_t index, std::int32_t result);

    std::deque<os::Request> queued_;
    std::deque<os::Request> in_flight_;
    std::deque<os::Completion> done_;
};

}  // namespace reeve_model
