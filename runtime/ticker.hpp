// after, Ticker: channels that the clock fills, for select and for loops; Go's time.After and time.Ticker.
//
//     Ticker ticker(100ms);
//     for (const Tick tick : ticker) ...                        // until ticker.stop()
//     select(on_recv(answers, ...), on_recv(after(2s), ...));
//
// Idea. Nobody sends a tick: who receives looks at the clock, and who waits does so no longer than until the next tick is
// due. So a ticker is two numbers, one that is dropped or forgotten costs nothing, and to stop waiting costs what any wait
// does: O(log n). What can be seen is Go's ticker, a channel with room for one tick: the oldest one waits for a slow
// receiver, those that come due meanwhile are dropped, and the times stay multiples of the period.
//
// Channel<Tick> can be received from in every way, with every error, as other channels; one of several receivers gets the
// tick. It cannot be sent to. recv: may park; the rest does not. Fibers and plain threads, also without run(); not
// signal-safe.
//
// I1  next_ns is the time of the oldest tick that was not received, in the past or in the future.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/channel.hpp"

namespace reeve {

struct Tick {
    std::chrono::steady_clock::time_point due;  // received at this time or later
    std::uint64_t number;                       // 1, 2, ...: a gap means that ticks were dropped
};

template <>
class Channel<Tick> {
public:
    Result<Tick> recv(Deadline deadline = {}) const;
    std::optional<Tick> try_recv() const;
    // No more ticks, not even one that is due: who receives gets Errc::closed. Idempotent.
    void close() const;

    using Iterator = ChannelIterator<Tick>;
    Iterator begin() const { return Iterator(this); }
    std::nullptr_t end() const { return nullptr; }

private:
    friend class Ticker;
    friend Channel after(Deadline instant);
    template <class T, class F>
    friend class sched::ReceiveCase;

    struct Core : sched::ChannelCore {
        sched::Step fetch(std::optional<Tick>& into);  // under the lock
        [[nodiscard]] Deadline due() const { return Deadline::at_ns(next_ns); }

        std::int64_t next_ns = Deadline::k_never_ns;
        std::int64_t period_ns = 0;  // 0: one tick only
        std::uint64_t number = 1;    // of the next one
    };

    Channel(std::int64_t first_ns, std::int64_t period_ns);

    std::shared_ptr<Core> core_;
};

// A tick at that time, once. A duration counts from now.
[[nodiscard]] Channel<Tick> after(Deadline instant);

// A tick each period, the first one period from now; a handle. A period that is not positive ends the process.
class Ticker : public Channel<Tick> {
public:
    explicit Ticker(Duration period);

    // Unlike Go's, which leaves its receivers waiting for ever: a Result can say that the channel was closed.
    void stop() const { close(); }
};

}  // namespace reeve
