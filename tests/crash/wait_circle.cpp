// Fibers that wait for each other in a circle, in the way that the argument names, while main goes on: it sleeps again and again.
// "over" on standard output after a second of it. SIGALRM ends what goes on too long.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace {

// Each fiber locks its own mutex, and when all have, its neighbour's.
template <class Lock, class LockNext>
void lock_round(unsigned count, Lock lock, LockNext lock_next) {
    const auto all_locked = std::make_shared<reeve::Latch>(count);
    for (unsigned i = 0; i < count; ++i) {
        reeve::go({.name = "circle " + std::to_string(i)}, [=] {
            lock(i);
            all_locked->count_down();
            (void)all_locked->wait();
            lock_next((i + 1) % count);
        });
    }
}

reeve::Mutex g_mutexes[3];
reeve::SharedMutex g_shared[2];

void of_mutexes(unsigned count) {
    lock_round(count, [](unsigned i) { g_mutexes[i].lock(); }, [](unsigned i) { g_mutexes[i].lock(); });
}

void two() { of_mutexes(2); }
void three() { of_mutexes(3); }
void one() { of_mutexes(1); }

void shared() {
    lock_round(2, [](unsigned i) { g_shared[i].lock(); }, [](unsigned i) { g_shared[i].lock_shared(); });
}

void with_deadline() {
    lock_round(2, [](unsigned i) { g_mutexes[i].lock(); }, [](unsigned i) { (void)g_mutexes[i].lock(60s); });
}

// The mutex was handed over while it was waited for, and then waited for again.
void handed_over() {
    static reeve::Latch all_wait(1);
    g_mutexes[0].lock();
    reeve::go({.name = "circle 0"}, [] {
        g_mutexes[0].lock();  // from main
        (void)all_wait.wait();
        g_mutexes[1].lock();
    });
    (void)reeve::sleep_for(1ms);
    g_mutexes[0].unlock();
    reeve::go({.name = "circle 1"}, [] {
        g_mutexes[1].lock();
        all_wait.count_down();
        g_mutexes[0].lock();
    });
}

void joins() {
    static std::optional<reeve::Join<void>> joins[2];
    static reeve::Latch both_made(1);
    for (unsigned i = 0; i < 2; ++i) {
        joins[i] = reeve::spawn({.name = "circle " + std::to_string(i)}, [i] {
            (void)both_made.wait();
            joins[1 - i]->join();
        });
    }
    both_made.count_down();
}

void mixed() {
    reeve::go({.name = "circle 0"}, [] {
        g_mutexes[0].lock();
        reeve::spawn({.name = "circle 1"}, [] { g_mutexes[0].lock(); }).join();
    });
}

void scope() {
    reeve::go({.name = "circle 0"}, [] {
        g_mutexes[0].lock();
        reeve::Scope scope;
        scope.spawn({.name = "idler"}, [] { (void)reeve::sleep_for(1h); });
        scope.spawn({.name = "circle 1"}, [] { g_mutexes[0].lock(); });
    });
}

// All the time somebody computes, and somebody begins to wait for a mutex: there is always reason to look again.
void beside_others() {
    static reeve::Mutex wanted;
    for (int i = 0; i < 4; ++i)
        reeve::go([] {
            for (;;) {
                wanted.lock();
                for (int turn = 0; turn < 10'000; ++turn) asm volatile("");
                wanted.unlock();
                reeve::this_fiber::yield();
            }
        });
    two();
}

struct Kind {
    const char* name;
    void (*run)();
};
constexpr Kind k_kinds[] = {{"two", two},     {"three", three}, {"one", one},     {"shared", shared},
                            {"deadline", with_deadline}, {"handed-over", handed_over}, {"joins", joins}, {"mixed", mixed},
                            {"scope", scope}, {"beside-others", beside_others}};

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    ::alarm(60);
    for (const Kind& kind : k_kinds) {
        if (kind.name != std::string(arguments[1])) continue;
        return reeve::run([&] {
            kind.run();
            for (int i = 0;; ++i) {
                (void)reeve::sleep_for(10ms);
                if (i == 100) std::puts("over");
                std::fflush(stdout);
            }
        });
    }
    return 2;
}
