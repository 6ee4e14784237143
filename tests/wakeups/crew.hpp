// Crew: the members of a ring, fibers and plain OS threads in turns, who park and wake each other.
//
// Idea. Most waits are left alone: one that is not woken then lasts for ever, and the watchdog says so. Of the others some get
// a deadline of a few hundred microseconds, others a token that a fiber of the crew's own, the meddler, cancels at random. Who
// waits may not rely on getting through, and counts what it got.
//
// Crew: the fiber that runs the ring. Member: each by itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/storm/storm.hpp"

namespace reeve::storm {

class Member {
public:
    Member(Storm& storm, Team& team, Chance chance) : storm_(storm), team_(team), chance_(chance) {}
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    [[nodiscard]] bool is_over() const { return storm_.is_over(); }
    std::uint64_t below(std::uint64_t count) { return chance_.below(count); }
    void step() { team_.steps.fetch_add(1, std::memory_order_relaxed); }
    // Now and then computes for a while, yields or sleeps a little.
    void dawdle();

    // Calls `wait` with a deadline, which is never unless this is one of the waits that are meddled with.
    template <class F>
    auto wait(F&& wait_until) {
        const std::uint64_t choice = below(8);
        if (choice == 0) return wait_until(Deadline(std::chrono::microseconds(below(400))));
        if (choice != 1) return wait_until(Deadline());
        const CancelSource source;
        expose(source);
        auto result = with_cancel(source.token(), [&] { return wait_until(Deadline()); });
        expose(std::nullopt);
        return result;
    }

private:
    friend class Crew;
    void expose(std::optional<CancelSource> source);
    void meddle();  // the meddler

    Storm& storm_;
    Team& team_;
    Chance chance_;
    Mutex mutex_;
    std::optional<CancelSource> source_;  // of the wait that may be cancelled; under the mutex
};

class Crew {
public:
    Crew(Storm& storm, Team& team);
    ~Crew();  // joins
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // The second and the fifth become plain threads, the others fibers.
    void add(std::function<void(Member& self)> body);
    // Waits until all have ended.
    void join();

private:
    Storm& storm_;
    Team& team_;
    std::deque<Member> members_;
    std::vector<Join<void>> fibers_;
    std::vector<std::thread> threads_;
    std::atomic<bool> is_done_{false};
};

}  // namespace reeve::storm
