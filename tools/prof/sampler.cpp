#include "tools/prof/sampler.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "runtime/base/time.hpp"
#include "tools/prof/target.hpp"

namespace reeve::prof {
namespace {

constexpr std::int64_t k_ns_per_s = 1'000'000'000;

// Libraries loaded while sampling are looked for at most this often, and only when a stack could not be
// followed.
constexpr std::int64_t k_refresh_ns = 500'000'000;

// How often the kernel's rings are emptied; they hold several times as much.
constexpr std::int64_t k_drain_ns = 50'000'000;

// False when a signal came first.
bool sleep_until_ns(std::int64_t instant_ns) {
    const timespec until{instant_ns / k_ns_per_s, instant_ns % k_ns_per_s};
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == 0;
}

}  // namespace

Sampler::Sampler(pid_t pid, SampleOptions options, Unwinder& unwinder, Profile& profile)
    : pid_(pid),
      options_(options),
      unwinder_(unwinder),
      profile_(profile),
      period_ns_(k_ns_per_s / options.hz),
      snapshotter_(pid) {
    // What the threads used before we came is not ours to count.
    const auto threads = list_threads(pid);
    for (const pid_t tid : threads)
        threads_[tid] = {thread_name(pid, tid), options.off_cpu ? now_ns() : thread_cpu_ns(pid, tid)};
    if (options.off_cpu || options.stop_threads) return;
    auto events = std::make_unique<PerfEvents>();
    if (events->attach(threads, period_ns_)) events_ = std::move(events);
}

Ended Sampler::run(const std::atomic<bool>& stop) {
    const std::int64_t interval_ns = events_ ? k_drain_ns : period_ns_;
    const std::int64_t start_ns = now_ns();
    const auto end_ns = start_ns + static_cast<std::int64_t>(options_.seconds * k_ns_per_s);
    std::int64_t next_ns = std::min(start_ns + interval_ns, end_ns);
    for (;;) {
        while (!stop.load() && !sleep_until_ns(next_ns)) {
        }
        const bool is_alive = tick();
        if (stop.load()) return Ended::interrupted;
        if (!is_alive) return Ended::process_gone;
        if (next_ns >= end_ns) return Ended::on_time;
        // A tick that came late or took long is skipped, not made up for: the time is counted by the next
        // one.
        const std::int64_t passed = now_ns() - start_ns;
        next_ns = std::min(start_ns + (passed / interval_ns + 1) * interval_ns, end_ns);
    }
}

bool Sampler::tick() {
    ++ticks_;
    std::vector<pid_t> wanted;
    bool is_alive = false;
    for (const pid_t tid : list_threads(pid_)) {
        const auto [entry, is_new] = threads_.try_emplace(tid);
        Thread& thread = entry->second;
        if (is_new && options_.off_cpu) thread.counted_ns = now_ns();
        if (thread.name.empty()) thread.name = thread_name(pid_, tid);
        thread.tick = ticks_;
        const auto state = thread_state(pid_, tid);
        if (!state || *state == 'Z' || *state == 'X') continue;
        is_alive = true;
        if (events_ || *state == 'T' || *state == 't') continue;
        if (options_.off_cpu || (*state == 'R' && thread_cpu_ns(pid_, tid) > thread.counted_ns))
            wanted.push_back(tid);
    }
    // Before the threads that have ended are forgotten: their last samples may still be there.
    if (events_) events_->drain([this](const Snapshot& snapshot) { count(snapshot, period_ns_); });
    std::erase_if(threads_, [this](const auto& entry) { return entry.second.tick != ticks_; });
    snapshotter_.take(wanted, [this](const Snapshot& snapshot) { count_stopped(snapshot); });
    return is_alive;
}

void Sampler::count_stopped(const Snapshot& snapshot) {
    stops_ns_.push_back(snapshot.stopped_ns);
    if (!snapshot.was_runnable && !options_.off_cpu) return;
    // Running on, the thread may have used a little more since; that much is counted now and missing next
    // time.
    std::int64_t& counted_ns = threads_[snapshot.tid].counted_ns;
    const std::int64_t until_ns = options_.off_cpu ? now_ns() : thread_cpu_ns(pid_, snapshot.tid);
    const std::int64_t ns = std::max<std::int64_t>(until_ns - counted_ns, 0);
    counted_ns += ns;
    count(snapshot, ns);
}

void Sampler::count(const Snapshot& snapshot, std::int64_t ns) {
    Stack stack = unwinder_.unwind(snapshot);
    if (!stack.complete && now_ns() - refreshed_ns_ > k_refresh_ns) {
        unwinder_.refresh();
        refreshed_ns_ = now_ns();
        stack = unwinder_.unwind(snapshot);
    }
    profile_.add(stack, threads_[snapshot.tid].name, ns);
}

}  // namespace reeve::prof
