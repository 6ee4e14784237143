// preempt_bench: what preemption is for, in figures: who runs how late beside fibers that never let go, and what it costs when
// nobody waits.
//
//     preempt_bench [--full | --smoke] [NAME...]
//
// Names:
//   standstill       what the machine takes from everybody (standstill.hpp), to read the others by
//   wake_lateness    a fiber that sleeps 1 ms again and again beside fibers that spin
//   blocked_CALL_BY  every processor's fiber blocks in CALL (usleep, read): how late does another run that becomes runnable
//                    then, by a timer, a plain thread's message in a channel, or a completion of the ring
//   blocked_rarely   the same with usleep and a timer, every 50 ms
//   undisturbed      nobody waits: signals sent, and what an idle process does
//
// Where a figure has a bound the line says so and whether it holds (1 or 0); on a machine that does other things as well it
// may not. Whatever REEVE_* asks for is used, but for the number of workers.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/bench/spinners.hpp"
#include "tests/bench/standstill.hpp"
#include "tests/bench/work.hpp"
#include "tests/support/bench.hpp"

namespace {

using reeve::bench::Bench;
using reeve::bench::clock_ns;
using reeve::bench::Fields;
using reeve::bench::quantile;
using reeve::bench::read_clock;
using reeve::bench::Spinners;
using reeve::bench::with_workers;

constexpr unsigned k_workers = 2;
constexpr std::int64_t k_ms = 1'000'000;

reeve::Duration nanoseconds(std::int64_t ns) { return std::chrono::nanoseconds(ns); }

void sleep_thread_until(std::int64_t instant_ns) {
    const timespec instant{instant_ns / 1'000'000'000, instant_ns % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &instant, nullptr) != 0) {
    }
}

void wake_lateness(const Bench& bench, unsigned spinners) {
    if (!bench.is_wanted("wake_lateness")) return;
    const std::uint64_t n = bench.size({.small = 1000, .real = 5000});
    std::vector<double> late_us;
    reeve::run(with_workers(k_workers), [&] {
        const Spinners beside(spinners);
        for (std::uint64_t i = 0; i < n; ++i) {
            const std::int64_t due = clock_ns() + k_ms;
            (void)reeve::sleep_for(nanoseconds(k_ms));
            late_us.push_back(static_cast<double>(clock_ns() - due) / 1000);
        }
    });
    const double p50 = quantile(late_us, 0.5);
    const double p99 = quantile(late_us, 0.99);
    constexpr double k_p50_bound = 150;
    constexpr double k_p99_bound = 600;
    Bench::report("wake_lateness",
                  {{"workers", k_workers}, {"spinners", spinners}, {"n", static_cast<double>(n)}},
                  {{"late_p50_us", p50},
                   {"late_p99_us", p99},
                   {"late_max_us", quantile(late_us, 1)},
                   {"bound_p50_us", k_p50_bound},
                   {"bound_p99_us", k_p99_bound},
                   {"holds", p50 <= k_p50_bound && p99 <= k_p99_bound}});
}

// --- fibers that block in the kernel ----------------------------------------------------------------------------------

enum class Call { usleep, read };
enum class Waker { timer, channel, completion };

// Blocks its thread for so long in one system call.
void block(Call call, std::int64_t us) {
    if (call == Call::usleep) {
        usleep(static_cast<useconds_t>(us));
        return;
    }
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) return;
    const timeval patience{us / 1'000'000, us % 1'000'000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char nothing;
    (void)!read(pair[0], &nothing, 1);
    close(pair[0]);
    close(pair[1]);
}

// A plain thread that wakes a fiber at an instant it is told, by a channel or by a byte in a pipe.
class Alarm {
public:
    explicit Alarm(Waker waker) : waker_(waker), thread_([this] { main(); }) {}
    ~Alarm() {
        order_.store(-1);
        order_.notify_one();
        thread_.join();
        close(pipe_[1]);
    }
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;

    // Parks the fiber until then; the instant it was really woken at.
    std::int64_t wait_until(std::int64_t instant_ns) {
        order_.store(instant_ns);
        order_.notify_one();
        if (waker_ == Waker::channel) {
            (void)channel_.recv();
        } else {
            std::array<std::byte, 1> byte;
            (void)reader_.read(byte);
        }
        return rang_ns_.load(std::memory_order_acquire);
    }

private:
    void main() {
        for (std::int64_t order; order_.wait(0), (order = order_.exchange(0)) > 0;) {
            sleep_thread_until(order);
            rang_ns_.store(clock_ns(), std::memory_order_release);
            if (waker_ == Waker::channel)
                (void)channel_.try_send(1);
            else
                (void)!write(pipe_[1], "", 1);
        }
    }
    static std::array<int, 2> make_pipe() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) reeve::fatal("preempt_bench: no pipe");
        return ends;
    }

    const Waker waker_;
    const std::array<int, 2> pipe_ = make_pipe();
    reeve::Fd reader_{pipe_[0]};
    reeve::Channel<int> channel_{1};
    std::atomic<std::int64_t> order_{0};
    std::atomic<std::int64_t> rang_ns_{0};
    std::thread thread_;
};

// One sample of blocked_syscall: the lateness, or -1 when the processors were not all blocked around the wake-up.
double sample_blocked(Call call, Alarm* alarm, std::int64_t delay_ns) {
    constexpr std::int64_t k_block_us = 5000;
    constexpr std::int64_t k_settled_ns = 50'000;  // between the entry into the system call and sleeping in it
    struct Blocker {
        std::atomic<std::int64_t> began_ns{INT64_MAX};
        std::atomic<std::int64_t> ended_ns{INT64_MAX};
    };
    std::array<Blocker, k_workers> blockers;
    std::vector<reeve::Join<void>> joins;
    for (Blocker& one : blockers)
        joins.push_back(reeve::spawn([&one, call] {
            one.began_ns = clock_ns();
            block(call, k_block_us);
            one.ended_ns = clock_ns();
        }));
    std::int64_t due = clock_ns() + delay_ns;
    if (alarm)
        due = alarm->wait_until(due);
    else
        (void)reeve::sleep_until(reeve::Deadline::at_ns(due));
    const std::int64_t woke = clock_ns();
    bool is_valid = true;
    for (Blocker& one : blockers)
        is_valid = is_valid && one.began_ns + k_settled_ns < due && woke < one.ended_ns;
    return is_valid ? static_cast<double>(woke - due) / 1000 : -1;
}

// `pause_ms`: between samples. The monitor looks more often for a while after it saw a call that blocks.
void blocked_syscall(const Bench& bench, const char* name, Call call, Waker waker, std::int64_t pause_ms = 0) {
    if (!bench.is_wanted(name)) return;
    const std::uint64_t n = bench.size({.small = pause_ms != 0 ? 50U : 300U, .real = pause_ms != 0 ? 500U : 2000U});
    std::vector<double> late_us;
    reeve::run(with_workers(k_workers), [&] {
        const auto alarm = waker == Waker::timer ? nullptr : std::make_unique<Alarm>(waker);
        std::uint64_t chance = 1;
        for (std::uint64_t i = 0; i < n; ++i) {
            chance = reeve::bench::compute(1, chance);
            // Any moment of the first half of the block: the monitor may have seen it or not.
            const auto delay_ns = static_cast<std::int64_t>((chance >> 33) % 2'400'000 + 100'000);
            if (pause_ms != 0) (void)reeve::sleep_for(nanoseconds(pause_ms * k_ms));
            const double late = sample_blocked(call, alarm.get(), delay_ns);
            if (late >= 0) late_us.push_back(late);
        }
    });
    const double bound = pause_ms == 0 ? 250 : 1500;
    const double p99 = quantile(late_us, 0.99);
    Bench::report(name,
                  {{"workers", k_workers},
                   {"pause_ms", static_cast<double>(pause_ms)},
                   {"n", static_cast<double>(late_us.size())},
                   {"left_out", static_cast<double>(n - late_us.size())}},
                  {{"late_p50_us", quantile(late_us, 0.5)},
                   {"late_p99_us", p99},
                   {"late_max_us", quantile(late_us, 1)},
                   {"bound_p99_us", bound},
                   {"holds", p99 <= bound && !late_us.empty()}});
}

// --- nobody waits -----------------------------------------------------------------------------------------------------

// A line of the status of all threads but the caller's.
std::uint64_t sum_of_threads(const std::string& key) {
    std::uint64_t sum = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        if (task.path().filename() == std::to_string(gettid())) continue;
        std::ifstream status(task.path() / "status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with(key + ":")) sum += std::strtoull(line.c_str() + key.size() + 1, nullptr, 10);
    }
    return sum;
}

struct Activity {
    std::uint64_t switches = sum_of_threads("voluntary_ctxt_switches");
    std::int64_t cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID) - read_clock(CLOCK_THREAD_CPUTIME_ID);
    reeve::Stats stats = reeve::stats();
};

// `spinners` fibers compute, at most one per processor, and 1000 wait: what does the runtime do?
void undisturbed(const Bench& bench, unsigned spinners) {
    if (!bench.is_wanted("undisturbed")) return;
    constexpr unsigned k_parked = 1000;
    const auto ms = static_cast<std::int64_t>(bench.size({.small = 5'000, .real = 10'000}));
    reeve::run(with_workers(k_workers), [&] {
        const reeve::Channel<int> gate;
        std::vector<reeve::Join<void>> parked;
        for (unsigned i = 0; i < k_parked; ++i) parked.push_back(reeve::spawn([gate] { (void)gate.recv(); }));
        const Spinners computing(spinners);
        // Looked at from outside: a fiber that waits for the time would be somebody who waits.
        std::thread observer([&] {
            sleep_thread_until(clock_ns() + 700 * k_ms);  // stacks of the beginning are given back, the monitor falls asleep
            const Activity before;
            sleep_thread_until(clock_ns() + ms * k_ms);
            const Activity after;
            const auto switches = static_cast<double>(after.switches - before.switches);
            const auto signals = static_cast<double>(after.stats.preempt_signals - before.stats.preempt_signals);
            const auto taken = static_cast<double>(after.stats.processors_taken - before.stats.processors_taken);
            const double seconds = static_cast<double>(ms) / 1000;
            Fields metrics{{"signals", signals},
                           {"taken", taken},
                           {"monitor_looks_per_s",
                            static_cast<double>(after.stats.monitor_ticks - before.stats.monitor_ticks) / seconds},
                           {"voluntary_switches", switches}};
            const std::int64_t cpu_ns = std::max<std::int64_t>(after.cpu_ns - before.cpu_ns, 0);
            if (spinners == 0) metrics.emplace_back("cpu_us", static_cast<double>(cpu_ns) / 1000);
            metrics.emplace_back("holds", signals == 0 && taken == 0 && (spinners != 0 || switches == 0));
            Bench::report("undisturbed",
                          {{"workers", k_workers}, {"spinners", spinners}, {"parked", k_parked}, {"ms", static_cast<double>(ms)}},
                          metrics);
            gate.close();
        });
        for (auto& join : parked) join.join();
        observer.join();
    });
}

}  // namespace

int main(int argc, char** argv) {
    const Bench bench(argc, argv);
    reeve::bench::report_standstill(bench);
    for (const unsigned spinners : {0U, 2U, 16U, 64U, 1000U}) wake_lateness(bench, spinners);
    blocked_syscall(bench, "blocked_usleep_timer", Call::usleep, Waker::timer);
    blocked_syscall(bench, "blocked_usleep_channel", Call::usleep, Waker::channel);
    blocked_syscall(bench, "blocked_usleep_completion", Call::usleep, Waker::completion);
    blocked_syscall(bench, "blocked_read_timer", Call::read, Waker::timer);
    blocked_syscall(bench, "blocked_read_channel", Call::read, Waker::channel);
    blocked_syscall(bench, "blocked_read_completion", Call::read, Waker::completion);
    blocked_syscall(bench, "blocked_rarely", Call::usleep, Waker::timer, 50);
    for (const unsigned spinners : {0U, 1U, 2U}) undisturbed(bench, spinners);
}
