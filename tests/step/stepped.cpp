// The program that step_test drives through the runtime instruction by instruction. Not for running by itself.
//
// One fiber runs one section (a few entries into the runtime) per round, as told at its mark. A plain thread does what the
// monitor would do, as told at its own: the fiber's thread may stand at any instruction meanwhile, so it takes no lock of
// the runtime but between rounds. The quantum is an hour: the monitor itself does nothing.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iterator>
#include <thread>
#include <unistd.h>

#include "runtime/runtime.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/step/marks.hpp"

namespace {

using reeve::sched::Processor;
using reeve::sched::ProcessorWord;
using reeve::sched::Scheduler;
using reeve::sched::Worker;
using reeve::step::Command;
using reeve::step::Mark;
using reeve::step::stop_at;

constexpr int k_errno = 4711;
constexpr const char* k_witness = "witness";

std::atomic<Worker*> s_target{nullptr};  // the worker of the fiber that is stepped, at the beginning of the round
std::atomic<std::uint64_t> s_witnesses_started{0};
std::atomic<std::uint64_t> s_witnesses_run{0};
std::atomic<int> s_inside{0};            // sections that believe they hold the only processor

// A verdict is the line of the first check that failed.
#define STEP_CHECK(condition) \
    do {                      \
        if (!(condition)) return __LINE__; \
    } while (false)

[[gnu::noinline]] int errno_now() { return errno; }
[[gnu::noinline]] void set_errno(int value) { errno = value; }

// --- the sections: each a few entries into the runtime, bounded, with exact results ----------------------------------------

[[gnu::noinline]] int compute() {
    volatile std::uint64_t sum = 0;
    volatile double product = 1.0;
    for (unsigned i = 1; i <= 4; ++i) {
        sum = sum + i;
        product = product * i;
    }
    STEP_CHECK(sum == 10 && product == 24.0);
    return 0;
}

[[gnu::noinline]] int no_preempt() {
    const int thread = gettid();
    {
        reeve::NoPreempt outer;
        STEP_CHECK(s_inside.fetch_add(1) == 0);
        reeve::NoPreempt inner;
        STEP_CHECK(s_inside.fetch_sub(1) == 1);
    }
    STEP_CHECK(gettid() == thread);
    return 0;
}

[[gnu::noinline]] int yield() {
    reeve::this_fiber::yield();
    return 0;
}

[[gnu::noinline]] int mutex() {
    static reeve::Mutex s_mutex;
    const int thread = gettid();
    s_mutex.lock();
    STEP_CHECK(!s_mutex.try_lock());
    s_mutex.unlock();
    STEP_CHECK(gettid() == thread);
    return 0;
}

[[gnu::noinline]] int contended_mutex() {
    reeve::Mutex mutex;
    int inside = 0;
    mutex.lock();
    auto other = reeve::spawn([&] {
        mutex.lock();
        ++inside;
        mutex.unlock();
    });
    reeve::this_fiber::yield();
    STEP_CHECK(inside == 0);
    mutex.unlock();
    mutex.lock();
    const int seen = inside;
    mutex.unlock();
    other.join();
    STEP_CHECK(inside == 1 && seen <= 1);
    return 0;
}

[[gnu::noinline]] int channel() {
    static reeve::Channel<int> s_channel(2);
    const int thread = gettid();
    STEP_CHECK(s_channel.send(1) && s_channel.send(2));
    STEP_CHECK(!s_channel.try_send(3));
    const auto first = s_channel.recv();
    const auto second = s_channel.try_recv();
    STEP_CHECK(first && first.value() == 1 && second && *second == 2);
    STEP_CHECK(gettid() == thread);
    return 0;
}

[[gnu::noinline]] int unbuffered_channel() {
    reeve::Channel<int> there;
    reeve::Channel<int> back;
    auto echo = reeve::spawn([&] {
        const auto got = there.recv();
        (void)back.send(got ? got.value() + 1 : -1);
    });
    STEP_CHECK(there.send(41));
    const auto answer = back.recv();
    echo.join();
    STEP_CHECK(answer && answer.value() == 42);
    return 0;
}

[[gnu::noinline]] int spawn_and_join() {
    auto join = reeve::spawn([] { return 7; });
    STEP_CHECK(join.join() == 7);
    return 0;
}

[[gnu::noinline]] int blocking() {
    const int thread = gettid();
    const int there = reeve::blocking([] { return gettid(); });
    STEP_CHECK(there == thread && gettid() == thread);
    return 0;
}

[[gnu::noinline]] int sleep_of_nothing() {
    reeve::sleep_for(std::chrono::nanoseconds(0));
    reeve::sleep_for(std::chrono::microseconds(10));
    return 0;
}

[[gnu::noinline]] int pinned() {
    const int thread = gettid();
    reeve::PinToThread pin;
    auto other = reeve::spawn([] { return 1; });
    reeve::this_fiber::yield();
    STEP_CHECK(gettid() == thread);
    STEP_CHECK(other.join() == 1);
    STEP_CHECK(gettid() == thread);
    return 0;
}

[[gnu::noinline]] int exception() {
    try {
        reeve::NoPreempt guard;
        throw 5;
    } catch (int value) {
        reeve::this_fiber::yield();
        STEP_CHECK(value == 5);
    }
    return 0;
}

// In the order of k_sections in step_test.cpp.
constexpr int (*k_sections[])() = {compute, no_preempt, yield, mutex, contended_mutex, channel, unbuffered_channel,
                                   spawn_and_join, blocking, sleep_of_nothing, pinned, exception};

// --- a round ---------------------------------------------------------------------------------------------------------------

struct ThreadState {
    int thread;
    sigset_t mask;
    stack_t alternate;
};

[[gnu::noinline]] ThreadState thread_state() {
    ThreadState state{.thread = gettid(), .mask = {}, .alternate = {}};
    pthread_sigmask(SIG_SETMASK, nullptr, &state.mask);
    sigaltstack(nullptr, &state.alternate);
    return state;
}

int compare(const ThreadState& before, const ThreadState& after) {
    for (int signal = 1; signal < NSIG; ++signal)
        STEP_CHECK(sigismember(&before.mask, signal) == sigismember(&after.mask, signal));
    STEP_CHECK((after.alternate.ss_flags & (SS_ONSTACK | SS_DISABLE)) == 0);
    if (before.thread == after.thread) STEP_CHECK(before.alternate.ss_sp == after.alternate.ss_sp);
    return 0;
}

// Whatever happened: from here on the fiber's worker holds the processor, and nobody else does.
int settle() {
    {
        reeve::sched::Entry entry;
        const Worker* worker = reeve::sched::current_worker();
        const Processor& processor = *Scheduler::active()->processors[0];
        STEP_CHECK(worker->depth() == 1 && !worker->is_detached());
        STEP_CHECK(worker->processor() == &processor && processor.worker.load() == worker);
        STEP_CHECK(!ProcessorWord::is_user(processor.word.load()));
        STEP_CHECK(worker->current_fiber() && worker->current_fiber()->held_by.load() == nullptr);
        STEP_CHECK(s_inside.load() == 0);
    }
    // Asleep, not in line: a stopped fiber would wait for half a quantum behind one that is always runnable.
    while (s_witnesses_run.load() != s_witnesses_started.load()) reeve::sleep_for(std::chrono::microseconds(20));
    reeve::sched::Entry entry;
    s_target = reeve::sched::current_worker();
    return 0;
}

int run_section(std::uint64_t number) {
    const ThreadState before = thread_state();
    set_errno(k_errno);
    const int verdict = k_sections[number]();
    stop_at(Mark::over, 0);
    if (verdict != 0) return verdict;
    STEP_CHECK(errno_now() == k_errno);
    return compare(before, thread_state());
}

// --- the control thread ----------------------------------------------------------------------------------------------------

class Control {
public:
    void serve() {
        std::uint64_t outcome = 0;
        for (;;) outcome = obey(static_cast<Command>(stop_at(Mark::control, outcome)));
    }

private:
    std::uint64_t obey(Command command) {
        Worker& target = *s_target.load();
        switch (command) {
            case Command::prepare: return prepare();
            case Command::ask:
                target.successor.exchange(std::exchange(successor_, nullptr));
                signal(target);
                break;
            case Command::take: return take(target, std::exchange(successor_, nullptr));
            case Command::take_asked: return take(target, target.successor.exchange(nullptr));
            case Command::signal: signal(target); break;
            case Command::overdue: processor().is_overdue = true; break;
        }
        return 0;
    }

    std::uint64_t prepare() {
        Scheduler& scheduler = *Scheduler::active();
        // Named in this round or in one before, and not made use of.
        scheduler.for_each_worker([&](Worker& worker) {
            if (Worker* unused = worker.successor.exchange(nullptr)) put_back(*unused);
        });
        const bool was_used = !successor_;
        if (was_used) successor_ = &take_spare();
        s_witnesses_started.fetch_add(1);
        reeve::go({.name = k_witness}, [] {
            {
                reeve::NoPreempt guard;
                if (s_inside.fetch_add(1) != 0) reeve::fatal("stepped: two hold the only processor");
                s_inside.fetch_sub(1);
            }
            stop_at(Mark::witness, 0);
            s_witnesses_run.fetch_add(1);
        });
        return was_used;
    }

    // There is always one again: the housekeeper starts it, late on a loaded machine.
    static Worker& take_spare() {
        for (int ms = 0; ms < 10'000; ++ms) {
            if (Worker* spare = Scheduler::active()->take_spare()) return *spare;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        reeve::fatal("stepped: no thread");
    }

    void put_back(Worker& unused) {
        if (!successor_)
            successor_ = &unused;
        else
            Scheduler::active()->put_spare(unused);
    }

    std::uint64_t take(Worker& target, Worker* successor) {
        if (!successor) return 0;
        const ProcessorWord::Seen seen = processor().word.load();
        const bool is_taken = processor().worker.load() == &target && processor().word.take(seen);
        if (!is_taken) {
            successor_ = successor;
            return 0;
        }
        const bool ran_witness = std::strcmp(target.current_fiber()->name(), k_witness) == 0;
        successor->give(processor(), nullptr, reeve::sched::Wake::at_home);
        Scheduler::active()->monitor->note_detached(target);
        return ran_witness ? 2 : 1;
    }

    static Processor& processor() { return *Scheduler::active()->processors[0]; }
    static void signal(Worker& worker) { reeve::sched::signal_worker(worker, SIGURG); }

    Worker* successor_ = nullptr;
};

}  // namespace

int main() {
    reeve::Config config;
    config.workers = 1;
    config.quantum = std::chrono::hours(1);
    config.kernel_hints = reeve::KernelHints::none;
    config.dump_on_sigquit = false;
    reeve::run(config, [] {
        int verdict = settle();
        std::thread([] { Control().serve(); }).detach();
        for (;;) {
            const std::uint64_t section = stop_at(Mark::round, static_cast<std::uint64_t>(verdict));
            if (section == reeve::step::k_end) _exit(0);
            if (section >= std::size(k_sections)) _exit(2);
            verdict = run_section(section);
            if (const int settled = settle(); verdict == 0) verdict = settled;
        }
    });
}
