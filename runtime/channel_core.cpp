#include "runtime/channel_core.hpp"

namespace reeve::sched {

void ChannelCore::close() {
    ReadyList woken;
    {
        SpinGuard guard(lock);
        is_closed = true;
        while (Waiter* waiter = receivers.claim_first(Outcome::closed)) woken.add(*waiter);
        while (Waiter* waiter = senders.claim_first(Outcome::closed)) woken.add(*waiter);
    }
    woken.ready_all();
}

Error ChannelCore::give_up(Waiter& waiter, WaitQueue& queue, Outcome outcome, const char* operation) {
    SpinGuard guard(lock);
    queue.remove_if_linked(waiter);
    return error_of(outcome, operation);
}

}  // namespace reeve::sched
