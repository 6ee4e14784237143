// Mutex, SharedMutex, Condition and Once under explored schedules: exclusion, hand-over, and nothing lost to who gives up.
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <vector>

#include "tests/schedules/schedules.hpp"
#include "tests/support/poisoned.hpp"

using namespace std::chrono_literals;
using reeve::Deadline;
using reeve::Errc;
using reeve::test::dawdle;
using reeve::test::in_all_orders;
using reeve::test::Poisoned;
using reeve::test::Time;
using reeve::testing::draw;
using reeve::testing::expect;

TEST_CASE("schedules: mutex, with deadlines, tries and a cancellation", "[mutex]") {
    in_all_orders(Time::slips, [] {
        reeve::Mutex mutex;
        int inside = 0;
        int entered = 0;
        int counted = 0;
        std::vector<reeve::Join<void>> joins;
        for (int f = 0; f < 3; ++f)
            joins.push_back(reeve::spawn([&] {
                for (int round = 0; round < 2; ++round) {
                    bool is_mine = true;
                    switch (draw(4)) {
                        case 0: mutex.lock(); break;
                        case 1: is_mine = mutex.try_lock(); break;
                        case 2: is_mine = mutex.lock(Deadline::never()).has_value(); break;
                        default: is_mine = mutex.try_lock_for(2us); break;
                    }
                    if (!is_mine) continue;
                    expect(++inside == 1, "one holds a mutex");
                    ++entered;
                    const int before = counted;
                    dawdle();
                    counted = before + 1;
                    --inside;
                    mutex.unlock();
                }
            }));
        dawdle();
        joins[draw(3)].cancel();
        joins.clear();
        expect(counted == entered, "no update is lost");
        expect(mutex.try_lock(), "a mutex that nobody holds is free");
        mutex.unlock();
    });
}

TEST_CASE("schedules: mutex, destroyed by its last owner", "[mutex]") {
    in_all_orders(Time::slips, [] {
        Poisoned<reeve::Mutex> place;
        reeve::Mutex& mutex = place.make();
        mutex.lock();
        int users = 3;
        bool is_destroyed = false;
        const auto leave = [&](bool is_mine) {
            const bool is_last = --users == 0;
            if (!is_mine) return;
            mutex.unlock();
            if (!is_last) return;
            place.destroy();
            is_destroyed = true;
        };
        std::vector<reeve::Join<void>> joins;
        joins.push_back(reeve::spawn([&] {
            dawdle();
            mutex.lock();
            leave(true);
        }));
        joins.push_back(reeve::spawn([&] { leave(mutex.try_lock_for(1us)); }));
        dawdle();
        leave(true);
        joins.clear();
        if (!is_destroyed) place.destroy();
        expect(place.spoiled_bytes() == 0, "unlock leaves it alone once another may own it");
    });
}

TEST_CASE("schedules: shared mutex, readers and writers that give up", "[shared_mutex]") {
    in_all_orders(Time::slips, [] {
        reeve::SharedMutex mutex;
        int readers = 0;
        int writers = 0;
        std::vector<reeve::Join<void>> joins;
        const auto read = [&] {
            const bool is_mine = draw(2) == 0 ? mutex.lock_shared(Deadline::never()).has_value() : mutex.try_lock_shared_for(2us);
            if (!is_mine) return;
            ++readers;
            expect(writers == 0, "no reader beside a writer");
            dawdle();
            --readers;
            mutex.unlock_shared();
        };
        const auto write = [&] {
            const bool is_mine = draw(2) == 0 ? mutex.lock(Deadline::never()).has_value() : mutex.try_lock_for(2us);
            if (!is_mine) return;
            expect(++writers == 1 && readers == 0, "a writer is alone");
            dawdle();
            --writers;
            mutex.unlock();
        };
        for (int f = 0; f < 4; ++f)
            joins.push_back(reeve::spawn([&] {
                for (int round = 0; round < 2; ++round) draw(2) == 0 ? read() : write();
            }));
        dawdle();
        joins[draw(4)].cancel();
        joins.clear();
        expect(mutex.try_lock(), "a shared mutex that nobody holds is free");
        mutex.unlock();
    });
}

TEST_CASE("schedules: shared mutex, a writer that gives up lets in the readers behind it", "[shared_mutex]") {
    in_all_orders(Time::slips, [] {
        reeve::SharedMutex mutex;
        reeve::Event is_in;
        mutex.lock_shared();
        auto writer = reeve::spawn([&] {
            if (mutex.lock(Deadline::never())) mutex.unlock();
        });
        auto reader = reeve::spawn([&] {
            mutex.lock_shared();
            is_in.set();
            mutex.unlock_shared();
        });
        dawdle();
        writer.cancel();
        expect(is_in.wait().has_value(), "the reader gets in while this one holds it");
        mutex.unlock_shared();
    });
}

TEST_CASE("schedules: condition, a notify is not lost to a wait that ends otherwise", "[condition]") {
    in_all_orders(Time::exact, [] {
        reeve::Mutex mutex;
        reeve::Condition changed;
        int waiting = 0;
        int notified = 0;
        const bool has_deadline = draw(2) == 0;
        const auto wait = [&](Deadline deadline) {
            std::unique_lock lock(mutex);
            ++waiting;
            const auto result = changed.wait(lock, deadline);
            expect(lock.owns_lock() && !mutex.try_lock(), "a wait returns with the mutex");
            notified += result ? 1 : 0;
        };
        auto hasty = reeve::spawn([&] { wait(has_deadline ? Deadline::in(10us) : Deadline::never()); });
        auto patient = reeve::spawn([&] { wait(Deadline::never()); });
        (void)reeve::sleep_for(has_deadline ? 10us : 5us);
        expect(waiting == 2, "time passes only when all wait");
        auto canceller = reeve::spawn([&] {
            if (!has_deadline) hasty.cancel();
        });
        if (draw(2) == 0) mutex.lock(), mutex.unlock();
        changed.notify_one();
        canceller.join();
        hasty.join();
        (void)reeve::sleep_for(1ms);
        expect(notified == 1, "one notify, one that is notified");
        changed.notify_all();
        patient.join();
    });
}

TEST_CASE("schedules: condition, a bounded queue", "[condition]") {
    in_all_orders(Time::slips, [] {
        reeve::Mutex mutex;
        reeve::Condition has_room;
        reeve::Condition has_items;
        int items = 0;
        int made = 0;
        int used = 0;
        std::vector<reeve::Join<void>> joins;
        for (int p = 0; p < 2; ++p)
            joins.push_back(reeve::spawn([&] {
                for (int i = 0; i < 2; ++i) {
                    std::unique_lock lock(mutex);
                    if (!has_room.wait(lock, [&] { return items < 1; })) return;
                    ++items;
                    ++made;
                    has_items.notify_one();
                }
            }));
        for (int c = 0; c < 2; ++c)
            joins.push_back(reeve::spawn([&] {
                for (;;) {
                    std::unique_lock lock(mutex);
                    if (!has_items.wait(lock, [&] { return items > 0; }, 1ms)) return;
                    --items;
                    ++used;
                    has_room.notify_one();
                }
            }));
        dawdle();
        const std::size_t victim = draw(4);
        joins[victim].cancel();
        // A consumer that was cancelled may leave the producers waiting, when the other one's patience is over.
        (void)reeve::sleep_for(10ms);
        for (int p = 0; p < 2; ++p) joins[static_cast<std::size_t>(p)].cancel();
        joins.clear();
        expect(made == used + items && items <= 1, "what was made was used, or is there");
    });
}

TEST_CASE("schedules: once, with a run that fails and callers that give up", "[once]") {
    in_all_orders(Time::slips, [] {
        reeve::Once once;
        int running = 0;
        int succeeded = 0;
        int failures = static_cast<int>(draw(2));
        const auto body = [&] {
            expect(++running == 1, "one runs it at a time");
            expect(succeeded == 0, "nobody runs it again");
            dawdle();
            --running;
            if (failures-- > 0) throw std::runtime_error("this time");
            ++succeeded;
        };
        std::vector<reeve::Join<void>> joins;
        for (int f = 0; f < 4; ++f)
            joins.push_back(reeve::spawn([&] {
                try {
                    bool is_over = true;
                    if (const auto kind = draw(3); kind == 0)
                        once.call(body);
                    else
                        is_over = once.call(body, kind == 1 ? Deadline::never() : Deadline::in(2us)).has_value();
                    expect(!is_over || (once.is_done() && succeeded == 1), "who returns without an error comes after it");
                } catch (const std::runtime_error&) {
                }
            }));
        dawdle();
        joins[draw(4)].cancel();
        joins.clear();
        try {
            once.call(body);
        } catch (const std::runtime_error&) {
            once.call(body);
        }
        expect(succeeded == 1 && once.is_done(), "it has run once");
    });
}
