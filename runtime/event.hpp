// Event: a flag that can be waited for; set by hand, reset by hand (asyncio.Event, threading.Event).
//
// set(): never parks; everybody who waits goes on, even if reset() follows at once. reset(): never parks; later waits wait.
// wait(deadline): may park; timed_out, cancelled; succeeds at once if the event is set, even for a cancelled fiber. What was
// written before set() is seen after wait(). Fibers and plain threads. Not signal-safe. The last of the waiters may destroy
// the event when it goes on, though set() may not have returned.
#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class Event {
public:
    explicit Event(bool is_set = false) : is_set_(is_set) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void set();
    void reset();
    [[nodiscard]] bool is_set();
    Result<void> wait(Deadline deadline = {});

private:
    // Guards the rest. Looking at the flag takes it, too: whoever saw the flag comes after set() has let go of the event.
    SpinLock lock_;
    bool is_set_;
    sched::WaitQueue waiters_;
};

}  // namespace reeve
