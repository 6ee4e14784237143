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

// False when a signal came first.
bool sleep_until_ns(std::int64_t instant_ns) {
    const timespec until{instant_ns / k_ns_per_s, instant_ns % k_ns_per_s};
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == 0;
}

}  // namespace

Sampler::Sampler(pid_t pid, SampleOptions options, Unwinder& unwinder, Profile& profile)
    : pid_(pid), options_(options), unwinder_(unwinder), profile_(profile), snapshotter_(pid) {}

Ended Sampler::run(const std::atomic<bool>& stop) {
    const std::int64_t interval_ns = k_ns_per_s / options_.hz;
    const std::int64_t start_ns = now_ns();
    const auto end_ns = start_ns + static_cast<std::int64_t>(options_.seconds * k_ns_per_s);
    // What the threads used before we came is not ours to count.
    for (const pid_t tid : list_threads(pid_))
        threads_[tid] = {thread_name(pid_, tid),
                         options_.off_cpu ? start_ns : thread_cpu_ns(pid_, tid).value_or(0)};
    std::int64_t next_ns = start_ns + interval_ns;
    while (next_ns <= end_ns) {
        while (!stop.load() && !sleep_until_ns(next_ns)) {
        }
        if (stop.load()) return Ended::interrupted;
        if (!tick()) return Ended::process_gone;
        // A tick that came late or took long is skipped, not made up for: the time is counted by the next
        // one.
        const std::int64_t passed = now_ns() - start_ns;
        next_ns = start_ns + (passed / interval_ns + 1) * interval_ns;
    }
    return Ended::on_time;
}

bool Sampler::tick() {
    ++ticks_;
    std::vector<pid_t> wanted;
    bool is_alive = false;
    for (const pid_t tid : list_threads(pid_)) {
        const auto [entry, is_new] = threads_.try_emplace(tid);
        if (is_new && options_.off_cpu) entry->second.counted_ns = now_ns();
        if (entry->second.name.empty()) entry->second.name = thread_name(pid_, tid);
        entry->second.tick = ticks_;
        const auto state = thread_state(pid_, tid);
        if (!state || *state == 'Z' || *state == 'X') continue;
        is_alive = true;
        const bool is_stopped = *state == 'T' || *state == 't';
        if (!is_stopped && (*state == 'R' || options_.off_cpu) && wants(tid, entry->second))
            wanted.push_back(tid);
    }
    std::erase_if(threads_, [this](const auto& entry) { return entry.second.tick != ticks_; });
    snapshotter_.take(wanted, !options_.off_cpu, [this](const Snapshot& snapshot) { count(snapshot); });
    return is_alive;
}

bool Sampler::wants(pid_t tid, Thread& thread) const {
    return options_.off_cpu || thread_cpu_ns(pid_, tid).value_or(0) > thread.counted_ns;
}

void Sampler::count(const Snapshot& snapshot) {
    // Running on, the thread may have used a little more since; that much is counted now and missing next
    // time.
    Thread& thread = threads_[snapshot.tid];
    const std::int64_t used_ns =
        options_.off_cpu ? now_ns() : thread_cpu_ns(pid_, snapshot.tid).value_or(thread.counted_ns);
    Stack stack = unwinder_.unwind(snapshot);
    if (!stack.complete && now_ns() - refreshed_ns_ > k_refresh_ns) {
        unwinder_.refresh();
        refreshed_ns_ = now_ns();
        stack = unwinder_.unwind(snapshot);
    }
    profile_.add(stack, thread.name, std::max<std::int64_t>(used_ns - thread.counted_ns, 0));
    thread.counted_ns = std::max(thread.counted_ns, used_ns);
    stops_ns_.push_back(snapshot.stopped_ns);
}

}  // namespace reeve::prof
