// Semaphore, WaitGroup, Event, Barrier, Latch and the turns of blocking() under explored schedules: exact counts, whoever gives up.
#include <optional>
#include <string>
#include <vector>

#include "tests/schedules/schedules.hpp"

using namespace std::chrono_literals;
using reeve::Deadline;
using reeve::Errc;
using reeve::test::check_all_taken;
using reeve::test::dawdle;
using reeve::test::in_all_orders;
using reeve::test::Time;
using reeve::test::wait_elsewhere;
using reeve::testing::draw;
using reeve::testing::expect;

namespace {

Deadline some_deadline() { return draw(2) == 0 ? Deadline::never() : Deadline::in(std::chrono::microseconds(1 + draw(3))); }

// explore() has the threads that the environment says.
class FewThreads {
public:
    FewThreads() {
        if (const char* before = std::getenv(k_name)) before_ = before;
        setenv(k_name, "4", 1);
    }
    ~FewThreads() { before_ ? setenv(k_name, before_->c_str(), 1) : unsetenv(k_name); }
    FewThreads(const FewThreads&) = delete;
    FewThreads& operator=(const FewThreads&) = delete;

private:
    static constexpr const char* k_name = "REEVE_MAX_THREADS";
    std::optional<std::string> before_;
};

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

TEST_CASE("schedules: barrier, closed or reset while a party is cancelled and the last one arrives", "[barrier]") {
    int passed = 0;
    int cancelled = 0;
    int closed = 0;
    int late = 0;
    const bool is_many = in_all_orders(Time::exact, [&] {
        reeve::Barrier barrier(3);
        reeve::Event end;
        const bool is_reset = draw(2) == 0;
        const bool has_last = draw(2) == 0;
        std::optional<reeve::Result<std::size_t>> results[3];
        const auto arrive = [&](std::size_t p) {
            results[p] = barrier.arrive_and_wait();
            wait_elsewhere(end);
        };
        auto victim = reeve::spawn([&] { arrive(0); });
        auto other = reeve::spawn([&] { arrive(1); });
        (void)reeve::sleep_for(1us);  // both wait then
        auto canceller = reeve::spawn([&] { victim.cancel(); });
        auto ender = reeve::spawn([&] { is_reset ? barrier.reset() : barrier.close(); });
        auto last = reeve::spawn([&] {
            if (has_last) arrive(2);
        });
        canceller.join();
        ender.join();
        (void)reeve::sleep_for(1us);  // what can end has ended
        expect(results[0] && results[1], "they wait no longer");
        const bool has_passed = results[0]->has_value();
        expect(results[1]->has_value() == has_passed, "all or none");
        expect(has_passed || results[0]->error() == Errc::closed || results[0]->error() == Errc::cancelled, "why a wait fails");
        expect(has_passed || results[1]->error() == Errc::closed, "who was not cancelled is told that another was");
        const bool is_late = has_last && !results[2];
        if (has_passed) {
            expect(results[2] && results[2]->has_value() && **results[2] == 2, "the last one has the last place");
            expect(**results[0] + **results[1] == 1, "each place once");
        } else {
            expect(!has_last || is_late || results[2]->error() == Errc::closed, "it came too late");
            expect(!is_late || is_reset, "nobody waits at one that is closed");
        }
        expect(barrier.is_closed() == !is_reset, "who left the round before has no say in the next one");
        ++(has_passed ? passed : results[0]->error() == Errc::cancelled ? cancelled : closed);
        late += is_late ? 1 : 0;
        if (!is_reset) barrier.reset();
        // As new: the one that is there, and as many as it takes.
        std::size_t places = 0;
        std::vector<reeve::Join<void>> fresh;
        for (int f = is_late ? 1 : 0; f < 3; ++f)
            fresh.push_back(reeve::spawn([&] {
                if (const auto place = barrier.arrive_and_wait()) places |= std::size_t{1} << *place;
            }));
        fresh.clear();
        end.set();
        last.join();
        if (is_late && results[2]->has_value()) places |= std::size_t{1} << **results[2];
        expect(places == 7, "each place once");
    });
    if (is_many) check_all_taken({passed, cancelled, closed, late});
}

TEST_CASE("schedules: blocking, who waits for a turn has it though it is cancelled", "[blocking]") {
    const FewThreads few;  // one call at a time
    int otherwise = 0;
    int meanwhile = 0;  // it was cancelled while it waited or called
    const bool is_many = in_all_orders(Time::slips, [&] {
        int inside = 0;
        int made = 0;
        bool is_cancelled = false;
        std::vector<reeve::Join<void>> joins;
        for (int f = 0; f < 3; ++f)
            joins.push_back(reeve::spawn([&, f] {
                for (int round = 0; round < 2; ++round) {
                    const bool was_cancelled = is_cancelled;
                    reeve::with_deadline(some_deadline(), [&] {
                        reeve::blocking([&] {
                            expect(++inside == 1, "there is one place");
                            dawdle();
                            reeve::blocking([&] { dawdle(); });  // has its place already
                            --inside;
                            ++made;
                        });
                    });
                    if (f == 0) ++(was_cancelled == is_cancelled ? otherwise : meanwhile);
                }
            }));
        auto canceller = reeve::spawn([&] {
            dawdle();
            is_cancelled = true;
            joins[0].cancel();
        });
        canceller.join();
        joins.clear();
        expect(made == 6 && inside == 0, "each call is made once");
    });
    if (is_many) check_all_taken({otherwise, meanwhile});
}

// Seen failing with a wait that was given up left in line, and with a place freed by who gives up.
TEST_CASE("schedules: try_blocking, who waits for a turn is cancelled or has enough while it comes", "[blocking]") {
    const FewThreads few;  // one call at a time
    int made = 0;
    int cancelled = 0;
    int timed_out = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        int inside = 0;
        bool is_being_cancelled = false;
        bool is_cancelled = false;
        reeve::Event end;
        std::vector<reeve::Join<void>> joins;
        for (int f = 0; f < 3; ++f)
            joins.push_back(reeve::spawn([&, f] {
                for (int round = 0; round < 2; ++round) {
                    const Deadline deadline = some_deadline();
                    const bool was_cancelled = is_cancelled;
                    bool is_made = false;
                    const auto result = reeve::try_blocking(
                        [&] {
                            expect(++inside == 1, "there is one place");
                            is_made = true;
                            dawdle();
                            return inside--;
                        },
                        deadline);
                    expect(result.has_value() == is_made, "a call is made, or the error says why not");
                    if (result) {
                        ++made;
                        expect(f != 0 || !was_cancelled, "who is cancelled already calls nothing");
                        continue;
                    }
                    ++(result.error() == Errc::cancelled ? cancelled : timed_out);
                    expect(result.error() == Errc::cancelled ? f == 0 && is_being_cancelled
                                                             : result.error() == Errc::timed_out && deadline.has_passed(),
                           "why it was not made");
                    wait_elsewhere(end);
                }
            }));
        auto canceller = reeve::spawn([&] {
            dawdle();
            is_being_cancelled = true;
            joins[0].cancel();
            is_cancelled = true;
        });
        canceller.join();
        (void)reeve::sleep_for(10us);
        end.set();
        joins.clear();
        expect(reeve::try_blocking([&] { return inside; }).has_value(), "the place is there again");
    });
    if (is_many) check_all_taken({made, cancelled, timed_out});
}

TEST_CASE("schedules: blocking, first come, first served, whoever is cancelled", "[blocking]") {
    const FewThreads few;
    in_all_orders(Time::exact, [] {
        std::vector<std::size_t> order;
        std::vector<reeve::Join<void>> joins;
        for (std::size_t f = 0; f < 4; ++f)
            joins.push_back(reeve::spawn([&, f] {
                (void)reeve::sleep_for(std::chrono::microseconds(f));
                reeve::blocking([&] {
                    order.push_back(f);
                    const reeve::Shield shield;
                    (void)reeve::sleep_for(std::chrono::microseconds(f == 0 ? 4 : 1));
                });
            }));
        (void)reeve::sleep_for(std::chrono::microseconds(4 + draw(2)));  // all have come, and the first is about to leave
        joins[1 + draw(3)].cancel();
        joins.clear();
        expect(order == std::vector<std::size_t>{0, 1, 2, 3}, "in order");
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
