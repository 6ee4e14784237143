// blocking: runs a call that blocks the OS thread (a file, a library, getaddrinfo) without holding anybody up.
//
// Idea. The fiber's processor goes to a spare worker at once, the call runs where it stands, on the fiber's own stack and
// thread, and the fiber stands in line for a processor afterwards. The pool of threads is the runtime's own, elastic up to
// Config::max_threads. Without blocking() the same happens by itself, only later: when the monitor notices.
//
// May park afterwards. Exceptions pass. In a plain thread the call is simply made. Inside NoPreempt the processor is kept.
#pragma once

#include <utility>

namespace reeve {

namespace sched {

class BlockingRegion {
public:
    BlockingRegion();
    ~BlockingRegion();
    BlockingRegion(const BlockingRegion&) = delete;
    BlockingRegion& operator=(const BlockingRegion&) = delete;
};

}  // namespace sched

template <class F>
decltype(auto) blocking(F&& call) {
    sched::BlockingRegion region;
    return std::forward<F>(call)();
}

}  // namespace reeve
