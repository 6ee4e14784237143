// WaitCircles: names fibers that wait for each other in a circle, through mutexes, joins and scopes, while the rest goes on.
//
// Idea. A fiber that parks until certain others act says whom it waits for (Blocker), and a Mutex says in its own word who has
// it, so all this costs is two stores at a wait. The housekeeper looks now and then: at the fibers that are parked so, at who
// must act for each, and whether that leads back to where it began.
//
// No circle is invented. All edges that are used begin and end at fibers that were seen parked, and a second look finds each of
// them parked in the same wait (by its epoch), so it has not run in between: it has given nothing back that it held when the
// edge was read, and all edges were there at once. This relies on nobody else giving it back: who locks must unlock. What is
// read meanwhile may be gone (a Mutex goes away with the last call on it); the kernel copies it, which fails where nothing is, and
// while its waiter is found in the same wait it was there.
//
// A wait with a deadline counts when a second or more of it is left: such a circle ends by itself, and is told of with the time it
// has left. Who locks with a short deadline, to try again, hears nothing. Readers of a SharedMutex are not known to it, nor
// what waits for a plain thread: circles through these are missed.
//
// When. Each processor counts such waits. Where there were new ones the monitor asks for a look before it sleeps, or while others
// run; a look takes some 50 ns for each fiber there is, and the next one is not made before a hundred times the time it took has passed.
//
// Callers: next_look_ns, any thread; check, the housekeeper; report, plain threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace reeve::sched {

class Scheduler;

class WaitCircles {
public:
    explicit WaitCircles(Scheduler& scheduler) : scheduler_(scheduler) {}

    // From when on a look is worth it; never, when nobody has begun to wait since the last one.
    [[nodiscard]] std::int64_t next_look_ns() const;
    // Tells of circles that were not told of before, on standard error.
    void check();
    // All there are, as text; empty when there is none.
    [[nodiscard]] std::string report() { return text_of(Which::all); }

private:
    enum class Which { all, untold };

    [[nodiscard]] std::uint64_t waits() const;
    std::string text_of(Which which);

    Scheduler& scheduler_;
    std::atomic<std::uint64_t> seen_waits_{0};
    std::atomic<std::int64_t> not_before_ns_{0};
    std::mutex lock_;                          // guards told_
    std::set<std::vector<std::uint64_t>> told_;  // the fibers' ids, in order
};

}  // namespace reeve::sched
