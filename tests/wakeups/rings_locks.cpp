// Mutexes, conditions, semaphores and barriers.
#include <array>
#include <cinttypes>
#include <mutex>
#include <shared_mutex>

#include "tests/wakeups/crew.hpp"
#include "tests/wakeups/rings.hpp"

namespace reeve::storm {
namespace {

constexpr std::size_t k_members = 5;

void compare(Storm& storm, const Team& team, std::uint64_t counted, std::uint64_t expected) {
    if (counted != expected) storm.fail("%s: counted to %" PRIu64 " instead of %" PRIu64, team.name.c_str(), counted, expected);
}

}  // namespace

void lock_mutex(Storm& storm, Team& team) {
    Mutex mutex;
    std::uint64_t counted = 0;  // under the mutex
    std::atomic<std::uint64_t> expected{0};
    {
        Crew crew(storm, team);
        for (std::size_t i = 0; i < k_members; ++i)
            crew.add([&](Member& self) {
                while (!self.is_over()) {
                    if (!self.wait([&](Deadline deadline) { return mutex.lock(deadline); })) continue;
                    const std::uint64_t before = counted;
                    self.dawdle();
                    counted = before + 1;
                    mutex.unlock();
                    ++expected;
                    self.step();
                }
            });
    }
    compare(storm, team, counted, expected);
}

void lock_shared_mutex(Storm& storm, Team& team) {
    SharedMutex mutex;
    std::uint64_t counted = 0;  // under the mutex
    std::atomic<std::uint64_t> expected{0};
    std::atomic<int> readers{0};
    {
        Crew crew(storm, team);
        for (std::size_t i = 0; i < k_members; ++i)
            crew.add([&](Member& self) {
                while (!self.is_over()) {
                    if (self.below(3) == 0) {
                        if (!self.wait([&](Deadline deadline) { return mutex.lock(deadline); })) continue;
                        if (readers != 0) storm.fail("shared mutex: a writer beside readers");
                        const std::uint64_t before = counted;
                        self.dawdle();
                        counted = before + 1;
                        mutex.unlock();
                        ++expected;
                    } else {
                        if (!self.wait([&](Deadline deadline) { return mutex.lock_shared(deadline); })) continue;
                        ++readers;
                        const std::uint64_t before = counted;
                        self.dawdle();
                        if (counted != before) storm.fail("shared mutex: a reader beside a writer");
                        --readers;
                        mutex.unlock_shared();
                    }
                    self.step();
                }
            });
    }
    compare(storm, team, counted, expected);
}

void take_turns_by_condition(Storm& storm, Team& team) {
    Mutex mutex;
    Condition changed;
    std::size_t turn = 0;  // under the mutex, as the rest
    bool is_over = false;
    std::uint64_t turns = 0;
    std::array<std::uint64_t, k_members> taken{};
    {
        Crew crew(storm, team);
        for (std::size_t i = 0; i < k_members; ++i)
            crew.add([&, i](Member& self) {
                std::unique_lock lock(mutex);
                for (;;) {
                    while (turn != i && !is_over) (void)self.wait([&](Deadline deadline) { return changed.wait(lock, deadline); });
                    is_over = is_over || self.is_over();
                    if (is_over) return changed.notify_all();
                    self.dawdle();
                    turn = (turn + 1) % k_members;
                    ++turns;
                    ++taken[i];
                    changed.notify_all();
                    self.step();
                }
            });
    }
    std::uint64_t sum = 0;
    for (const std::uint64_t each : taken) {
        sum += each;
        if (taken[0] - each > 1) storm.fail("condition: turns were left out");
    }
    compare(storm, team, sum, turns);
}

void share_units(Storm& storm, Team& team) {
    constexpr std::size_t k_units = 3;
    Semaphore units(k_units);
    std::atomic<std::size_t> held{0};
    {
        Crew crew(storm, team);
        for (std::size_t i = 0; i < k_members; ++i)
            crew.add([&](Member& self) {
                while (!self.is_over()) {
                    const std::size_t wanted = 1 + self.below(k_units);
                    if (!self.wait([&](Deadline deadline) { return units.acquire(wanted, deadline); })) continue;
                    if (held.fetch_add(wanted) + wanted > k_units) storm.fail("semaphore: more units held than there are");
                    self.dawdle();
                    held -= wanted;
                    units.release(wanted);
                    self.step();
                }
            });
    }
    compare(storm, team, units.available(), k_units);
}

// Each wakes the other, and nobody else could.
void alternate_by_semaphores(Storm& storm, Team& team) {
    Semaphore first(1);
    Semaphore second(0);
    std::uint64_t counted = 0;  // by whose turn it is
    std::array<std::uint64_t, 2> taken{};
    bool is_over = false;       // likewise
    {
        Crew crew(storm, team);
        const auto alternate = [&](Member& self, Semaphore& mine, Semaphore& others, std::uint64_t& own) {
            for (;;) {
                while (!self.wait([&](Deadline deadline) { return mine.acquire(deadline); })) continue;
                if (is_over) return;
                is_over = self.is_over();
                if (is_over) return others.release();
                ++counted;
                ++own;
                self.step();
                self.dawdle();
                others.release();
            }
        };
        crew.add([&](Member& self) { alternate(self, first, second, taken[0]); });
        crew.add([&](Member& self) { alternate(self, second, first, taken[1]); });
    }
    compare(storm, team, taken[0] + taken[1], counted);
    if (taken[0] - taken[1] > 1) storm.fail("semaphore pair: not in turns");
}

// Nobody gives up here, for that closes the barrier; the clock and the meddler come in where parties do something else.
void meet_at_barrier(Storm& storm, Team& team) {
    Barrier barrier(k_members);
    std::array<std::uint64_t, k_members> passed{};
    {
        Crew crew(storm, team);
        for (std::size_t i = 0; i < k_members; ++i)
            crew.add([&, i](Member& self) {
                while (const auto place = barrier.arrive_and_wait()) {
                    ++passed[i];
                    self.step();
                    self.dawdle();
                    if (self.is_over()) return barrier.close();
                }
            });
    }
    for (const std::uint64_t each : passed)
        if (each != passed[0]) storm.fail("barrier: passed %" PRIu64 " and %" PRIu64 " times", each, passed[0]);
}

}  // namespace reeve::storm
