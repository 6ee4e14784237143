#include "runtime/testing.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iterator>
#include <string_view>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/base/random.hpp"
#include "runtime/go.hpp"
#include "runtime/run.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::testing {
namespace {

using sched::Fiber;
using sched::Rehearsal;
using sched::Scheduler;

constexpr Duration k_grace = std::chrono::seconds(2);  // real time, for fibers of a failed schedule

// The schedule that is being run; there is one run() at a time.
std::atomic<std::uint64_t> s_seed{0};
std::string* s_failure = nullptr;

// Says which schedule it was when a signal ends the process, abort() included, and leaves the rest to who was there before.
class SeedNotice {
public:
    SeedNotice() {
        for (std::size_t i = 0; i < std::size(k_signals); ++i) {
            struct sigaction action {};
            action.sa_handler = tell;
            action.sa_flags = SA_ONSTACK;
            sigaction(k_signals[i], &action, &s_previous[i]);
        }
    }
    ~SeedNotice() {
        for (std::size_t i = 0; i < std::size(k_signals); ++i) sigaction(k_signals[i], &s_previous[i], nullptr);
    }
    SeedNotice(const SeedNotice&) = delete;
    SeedNotice& operator=(const SeedNotice&) = delete;

private:
    static constexpr int k_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    static void tell(int signal) {
        warn("testing: signal %d in the schedule of REEVE_SEED=%llu", signal, static_cast<unsigned long long>(s_seed.load()));
        for (std::size_t i = 0; i < std::size(k_signals); ++i)
            if (k_signals[i] == signal) sigaction(signal, &s_previous[i], nullptr);
        if (signal == SIGABRT) raise(signal);  // the others come again by themselves
    }

    static struct sigaction s_previous[std::size(k_signals)];
};

struct sigaction SeedNotice::s_previous[std::size(SeedNotice::k_signals)];

std::uint64_t number_from_env(const char* name) {
    const char* text = getenv(name);
    if (!text || !*text) return 0;
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(text, text + strlen(text), number);
    if (error == std::errc() && *stop == '\0' && number != 0) return number;
    warn("%s=%s is ignored: a number from 1 on is wanted", name, text);
    return 0;
}

std::uint64_t seed_of(std::uint64_t seed, std::uint64_t schedule) {
    return std::max<std::uint64_t>(Random::mix(Random::mix(seed) + schedule) >> 16, 1);  // short enough to be typed
}

void fail(std::string what) {
    if (s_failure->empty()) *s_failure = std::move(what);
}

// The fibers of one schedule, from its conductor's side.
class Schedule {
public:
    explicit Schedule(Scheduler& scheduler) : scheduler_(scheduler), self_(static_cast<Fiber&>(sched::current_parkable())) {}

    void run(const Exploration& how, std::uint64_t seed, const std::function<void()>& body, Explored& into) {
        Rehearsal& rehearsal = *scheduler_.rehearsal;
        rehearsal.begin(seed, {.lets_time_slip = how.lets_time_slip, .steps_max = how.steps_max});
        go({.name = "schedule"}, [this, &body] { run_body(body); });
        const Rehearsal::End end = rehearsal.until_quiet();
        into.steps += rehearsal.steps();
        into.interrupts += rehearsal.interrupts();
        into.trace = rehearsal.trace();
        if (end == Rehearsal::End::endless)
            fail("no end after " + std::to_string(how.steps_max) + " steps: " + list());
        else if (!has_returned_)
            fail("deadlock: " + list());
        else if (scheduler_.live_fibers() != 1)
            fail("left behind, waiting: " + list());
        else
            return;
        cancel_all();
        (void)rehearsal.until_quiet();
    }

private:
    void run_body(const std::function<void()>& body) {
        auto& self = static_cast<Fiber&>(sched::current_parkable());
        self.bequeaths = false;  // or all the others would have its name
        first_id_ = self.id;
        try {
            body();
        } catch (const std::exception& error) {
            fail(std::string("the body threw: ") + error.what());
        } catch (...) {
            fail("the body threw");
        }
        has_returned_ = true;
    }

    // "1 'schedule' in the end of a scope, 2 in mutex", counted from the first of the schedule.
    [[nodiscard]] std::string list() {
        struct Line {
            std::uint64_t id;
            std::string text;
        };
        std::vector<Line> lines;
        scheduler_.for_each_fiber([&](Fiber& fiber) {
            if (&fiber == &self_) return;
            const std::uint64_t id = fiber.id - first_id_ + 1;
            std::string text = std::to_string(id);
            if (fiber.name()[0] != '\0') text += std::string(" '") + fiber.name() + "'";
            lines.push_back({id, text + (fiber.state.is_parked() ? std::string(" in ") + fiber.reason : " running")});
        });
        std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.id < b.id; });
        std::string all;
        for (const Line& line : lines) all += (all.empty() ? "" : ", ") + line.text;
        return all;
    }

    // What cannot be cancelled, a Mutex::lock() say, stays where it is, and run() abandons it.
    void cancel_all() {
        scheduler_.cancels_new_fibers.store(true, std::memory_order_relaxed);
        scheduler_.rehearsal->begin(1, {.steps_max = k_last_steps});
        sched::Entry entry;
        scheduler_.for_each_fiber([&](Fiber& fiber) {
            if (&fiber != &self_ && fiber.state.cancel(sched::FiberState::mark_cancelled)) scheduler_.make_runnable(fiber);
        });
    }

    static constexpr std::uint64_t k_last_steps = 100'000;

    Scheduler& scheduler_;
    Fiber& self_;
    std::uint64_t first_id_ = 0;
    bool has_returned_ = false;
};

// `only`: the seed of the one schedule that is wanted, or 0.
Explored explore_from(const Exploration& how, std::uint64_t schedules, std::uint64_t only, const std::function<void()>& body) {
    if (Scheduler::active()) fatal("testing::explore: a run() is active already");
    Config config = Config::from_env();
    config.clock = Clock::virtual_time;
    config.seed = 1;  // begin() gives each schedule its own
    config.shutdown_grace = k_grace;
    Explored explored;
    s_failure = &explored.failure;
    run(config, [&] {
        const SeedNotice notice;
        while (explored.schedules < schedules && explored.failure.empty()) {
            explored.seed = only != 0 ? only : seed_of(how.seed, explored.schedules);
            s_seed.store(explored.seed, std::memory_order_relaxed);
            Schedule(*Scheduler::active()).run(how, explored.seed, body, explored);
            ++explored.schedules;
        }
    });
    s_failure = nullptr;
    if (!explored.failure.empty())
        warn("testing: schedule %llu failed: %s. Again with REEVE_SEED=%llu", static_cast<unsigned long long>(explored.schedules),
             explored.failure.c_str(), static_cast<unsigned long long>(explored.seed));
    return explored;
}

}  // namespace

Explored explore(const Exploration& how, const std::function<void()>& body) {
    if (const std::uint64_t only = number_from_env("REEVE_SEED")) return explore_from(how, 1, only, body);
    const std::uint64_t schedules = number_from_env("REEVE_SCHEDULES");
    return explore_from(how, schedules != 0 ? schedules : how.schedules, 0, body);
}

Explored run_seeded(std::uint64_t seed, const std::function<void()>& body) {
    if (seed == 0) fatal("testing::run_seeded: 0 is no seed");
    return explore_from({}, 1, seed, body);
}

bool expect(bool holds, const char* what) {
    if (holds) return true;
    if (!s_failure) fatal("testing::expect, outside of a schedule: %s", what);
    fail(what);
    return false;
}

std::uint64_t draw(std::uint64_t bound) {
    Scheduler* scheduler = Scheduler::active();
    if (!scheduler || !scheduler->rehearsal || !scheduler->rehearsal->is_seeded()) fatal("testing::draw: this run has no seed");
    return scheduler->rehearsal->draw(bound);
}

}  // namespace reeve::testing
