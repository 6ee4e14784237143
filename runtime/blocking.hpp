// blocking: runs a call that blocks the OS thread (a file, a library, getaddrinfo) without holding anybody up.
//
// Idea. asyncio's run_in_executor without the copying: the fiber's processor goes to a spare worker at once, the call runs where
// it stands, on the fiber's own stack and thread, and the fiber stands in line for a processor afterwards. The pool of threads is
// the runtime's own: elastic, since threads are started as they are needed, up to Config::max_threads, and used again. Without
// blocking() the same happens by itself, only later: when the monitor notices.
//
// Limits. Half of Config::max_threads, less two per processor, can be in blocking() at a time; who comes then waits its turn, first
// come first served, parked and without a thread. Where fibers that compute have used up the rest, or the next thread
// has not started yet, the call keeps the processor until the monitor takes it. Calls that wait for other fibers, themselves in
// need of blocking(), may use up the places and wait for ever, as in every pool with a limit.
//
// May park before (its turn) and afterwards. A call that has begun runs to its end, also in a cancelled fiber, and blocking()
// waits for its turn whatever comes. try_blocking() gives up the turn, and with it the call, when the fiber is cancelled or a
// deadline passes, its own or the fiber's: cancelled, timed_out. Exceptions pass, and so do references. Inside it everything is
// allowed that is outside, waiting as a fiber included. In a plain thread the call is simply made. Inside NoPreempt the processor
// is kept. Not signal-safe.
#pragma once

#include <type_traits>
#include <utility>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve {

namespace sched {

struct Fiber;
enum class Cancellable : bool;

class BlockingRegion : public ListNode<BlockingRegion> {
public:
    BlockingRegion();                            // waits for its turn whatever comes
    explicit BlockingRegion(Deadline deadline);  // has it if turn() says so
    ~BlockingRegion();
    BlockingRegion(const BlockingRegion&) = delete;
    BlockingRegion& operator=(const BlockingRegion&) = delete;

    [[nodiscard]] const Result<void>& turn() const { return turn_; }

    const Fiber* fiber = nullptr;  // that has a place for it

private:
    void begin(Cancellable cancellable, Deadline deadline);

    Result<void> turn_;
};

// A function of its own: the thread may be another one than that of the caller, who may keep an address that belongs to
// it, errno's above all.
template <class F>
[[gnu::noinline]] decltype(auto) call_on_this_thread(F&& call) {
    return std::forward<F>(call)();
}

}  // namespace sched

template <class F>
decltype(auto) blocking(F&& call) {
    sched::BlockingRegion region;
    return sched::call_on_this_thread(std::forward<F>(call));
}

// Result<T> of what `call` returns; a Result stays as it is.
template <class F, class T = std::invoke_result_t<F>>
std::conditional_t<is_result<T>, std::remove_cvref_t<T>, Result<T>> try_blocking(F&& call, Deadline deadline = {}) {
    const sched::BlockingRegion region(deadline);
    if (!region.turn()) return region.turn().error();
    if constexpr (std::is_void_v<T>) {
        sched::call_on_this_thread(std::forward<F>(call));
        return {};
    } else {
        return sched::call_on_this_thread(std::forward<F>(call));
    }
}

}  // namespace reeve
