// Semaphore, WaitGroup, Event, Barrier and Latch under explored schedules: exact counts, whoever gives up.
#include <vector>

#include "tests/schedules/schedules.hpp"

using namespace std::chrono_literals;
using reeve::Deadline;
using reeve::Errc;
using reeve::test::dawdle;
using reeve::test::in_all_orders;
using reeve::test::Time;
using reeve::testing::draw;
using reeve::testing::expect;

namespace {

Deadline some_deadline() { return draw(2) == 0 ? Deadline::never() : Deadline::in(std::chrono::microseconds(1 + draw(3))); }

}  // namespace

TEST_CASE("schedules: semaphore, units are neither lost nor made", "[semaphore]") {
    in_all_orders(Time::slips, [] {
        reeve::Semaphore units(3);
        std::size_t held = 0;
        std::vector<reeve::Join<void>> joins;
        for (int f = 0; f < 4; ++f)
            joins.push_back(reeve::spawn([&] {
                for (int round = 0; round < 2; ++round) {
                    const std::size_t n = 1 + draw(3);
                    if (!(draw(4) == 0 ? units.try_acquire(n) : units.acquire(n, some_deadline()).has_value())) continue;
                    held += n;
                    expect(held <= 3, "no more than there are");
                    dawdle();
                    held -= n;
                    units.release(n);
                }
            }));
        dawdle();
        joins[draw(4)].cancel();
        joins.clear();
        expect(units.available() == 3, "all are back");
    });
}

TEST_CASE("schedules: semaphore, who gives up at the front lets in those behind", "[semaphore]") {
    in_all_orders(Time::slips, [] {
        reeve::Semaphore units(1);
        reeve::Event is_in;
        auto large = reeve::spawn([&] {
            if (units.acquire(2, draw(2) == 0 ? Deadline::never() : Deadline::in(3us))) units.release(2);
        });
        auto small = reeve::spawn([&] {
            expect(units.acquire().has_value(), "nobody ends this wait");
            is_in.set();
            units.release();
        });
        dawdle();
        large.cancel();
        expect(is_in.wait().has_value(), "there is one");
        large.join();
        small.join();
        expect(units.available() == 1, "all are back");
    });
}

TEST_CASE("schedules: wait group, waits that end before, with and after the last one", "[wait_group]") {
    in_all_orders(Time::slips, [] {
        const reeve::WaitGroup group;
        int done = 0;
        group.add(3);
        for (int i = 0; i < 3; ++i)
            reeve::go([&] {
                dawdle();
                ++done;
                group.done();
            });
        std::vector<reeve::Join<void>> waiters;
        for (int w = 0; w < 2; ++w)
            waiters.push_back(reeve::spawn([&] {
                const auto result = group.wait(some_deadline());
                if (result)
                    expect(done == 3, "a wait ends when all are done");
                else
                    expect(result.error() == Errc::timed_out || result.error() == Errc::cancelled, "why a wait fails");
            }));
        dawdle();
        waiters[0].cancel();
        waiters.clear();
        expect(group.wait().has_value() && done == 3, "a wait without a deadline ends when all are done");
    });
}

TEST_CASE("schedules: event, who waits goes on, even if it is reset at once", "[event]") {
    in_all_orders(Time::exact, [] {
        reeve::Event event;
        int passed = 0;
        int cancelled = 0;
        std::vector<reeve::Join<void>> waiters;
        for (int w = 0; w < 3; ++w)
            waiters.push_back(reeve::spawn([&] {
                const auto result = event.wait();
                ++(result ? passed : cancelled);
                expect(result || result.error() == Errc::cancelled, "why a wait fails");
            }));
        (void)reeve::sleep_for(1us);  // all of them wait then
        auto canceller = reeve::spawn([&] { waiters[0].cancel(); });
        event.set();
        event.reset();
        canceller.join();
        waiters.clear();
        expect(passed + cancelled == 3 && cancelled <= 1, "all that were not cancelled");
        expect(!event.is_set(), "it was reset");
        expect(event.wait(1us).error() == Errc::timed_out, "later waits wait");
    });
}

TEST_CASE("schedules: event, set before, while and after it is waited for", "[event]") {
    in_all_orders(Time::slips, [] {
        reeve::Event event;
        reeve::Scope scope;
        for (int w = 0; w < 3; ++w)
            scope.spawn([&] {
                dawdle();
                if (!event.wait(some_deadline())) expect(event.wait().has_value(), "it is set, or will be");
            });
        dawdle();
        event.set();
    });
}

TEST_CASE("schedules: barrier, a round passes for all or for none", "[barrier]") {
    in_all_orders(Time::slips, [] {
        constexpr std::size_t k_parties = 3;
        constexpr std::size_t k_rounds = 2;
        reeve::Barrier barrier(k_parties);
        std::size_t passed[k_rounds] = {};
        std::size_t places[k_rounds] = {};
        std::vector<reeve::Join<void>> parties;
        for (std::size_t p = 0; p < k_parties; ++p)
            parties.push_back(reeve::spawn([&] {
                for (std::size_t round = 0; round < k_rounds; ++round) {
                    dawdle();
                    const auto place = barrier.arrive_and_wait(draw(4) == 0 ? Deadline::in(3us) : Deadline::never());
                    if (!place) return;
                    ++passed[round];
                    places[round] |= std::size_t{1} << *place;
                }
            }));
        dawdle();
        if (draw(2) == 0) parties[draw(k_parties)].cancel();
        parties.clear();
        for (std::size_t round = 0; round < k_rounds; ++round) {
            expect(passed[round] == 0 || passed[round] == k_parties, "all or none");
            expect(places[round] == 0 || places[round] == 7, "each place once");
        }
        expect(passed[1] <= passed[0], "rounds in order");
        expect(barrier.is_closed() == (passed[1] == 0), "closed by who left");
    });
}

TEST_CASE("schedules: latch, waits that end before, with and after the last one", "[latch]") {
    in_all_orders(Time::slips, [] {
        reeve::Latch latch(3);
        int counted = 0;
        std::vector<reeve::Join<void>> joins;
        for (int i = 0; i < 3; ++i)
            joins.push_back(reeve::spawn([&] {
                dawdle();
                ++counted;
                // The arrival counts, whatever becomes of the wait.
                if (latch.arrive_and_wait(1, some_deadline())) expect(counted == 3, "a wait ends when all have arrived");
            }));
        joins.push_back(reeve::spawn([&] {
            if (latch.wait()) expect(counted == 3, "a wait ends when all have arrived");
        }));
        dawdle();
        joins[draw(4)].cancel();
        expect(latch.wait().has_value() && counted == 3 && latch.try_wait(), "it opens");
        joins.clear();
    });
}
