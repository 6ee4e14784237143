// Detached: the workers that run user code without a processor, watched by the monitor.
//
// A thread that lost its processor and sleeps in the kernel is left alone and never signalled: a call that sleeps would end
// early. One that computes is asked to stop by signal (preempt.hpp), again and again with growing pauses while it is found
// where it must not be stopped; as many as there are idle processors disturb nobody and go on.
//
// The watching takes less and less of a CPU the more of them compute: CPUs are short then.
//
// A look reads the thread's CPU clock; the kernel is asked whether it sleeps, which costs ten times as much, only when the clock
// has moved.
//
// Announcing. `Worker::is_watched` is set by whoever announces the worker, and cleared by the monitor when it finds it attached
// again; who detaches and finds it set was either seen by the monitor's second look, or is announced by it.
//
// Callers: note, any thread, signal-safe; the rest the monitor.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/allowance.hpp"
#include "runtime/sched/counters.hpp"

namespace reeve::sched {

class Scheduler;
class Worker;

// Of the monitor's share of a CPU: so much is saved for bursts, and no more than so much, its dearest looks, is made up for.
inline constexpr std::int64_t k_saved_ns = 1'000'000;
inline constexpr std::int64_t k_owed_ns = 250'000;

class Detached {
public:
    // `signals` counts those that are sent.
    Detached(Scheduler& scheduler, std::int64_t tick_ns, Counter& signals);

    // A worker runs user code without a processor from now on.
    void note(Worker& worker);

    void watch(std::int64_t now_ns);  // if there is time for it
    [[nodiscard]] bool any_computes() const { return computing_ != 0; }
    // How many of them take CPUs from those that have a processor: more compute than processors are idle.
    [[nodiscard]] int too_many() const;
    // The monitor may use one part of so many of a CPU, the less the shorter CPUs are; at least one of `most`.
    [[nodiscard]] int parts(int most) const;
    // They use the CPUs of all idle processors.
    [[nodiscard]] bool fill_idle() const;
    [[nodiscard]] bool is_empty() const { return all_.empty(); }

private:
    struct One {
        Worker* worker;
        std::int64_t cpu_ns;
        std::int64_t next_look_ns;
        std::int64_t look_pause_ns;  // grows while it uses no CPU
        std::int64_t next_signal_ns;
        std::int64_t signal_pause_ns;  // grows while it refuses
        unsigned refusals = 0;
        bool was_looked_at = false;
        bool computes = true;  // or waits for a CPU, when last looked at
    };

    [[nodiscard]] One seen(Worker& worker, std::int64_t now_ns) const;
    [[nodiscard]] bool has_attached(One& one, std::int64_t now_ns) const;
    void look_at(One& one, std::int64_t now_ns);

    Scheduler& scheduler_;
    const std::int64_t tick_ns_;
    Counter& signals_;
    std::atomic<Worker*> noted_{nullptr};
    std::vector<One> all_;
    Allowance share_;                // of one CPU
    std::int64_t may_watch_ns_ = 0;
    std::size_t next_ = 0;  // where the next looks begin
    int computing_ = 0;     // of them, when last looked at
};

}  // namespace reeve::sched
