// Rehearsal: what a run has that is made for tests: a virtual clock, an order of its fibers drawn from a seed, or both
// (Config::clock, Config::seed, testing.hpp).
//
// Idea. There is one processor and no preemption by signal, so the runtime decides everything by itself, and does it here. Local
// queues have no room, so that all runnable fibers stand in the global one, and who is next is drawn. At its points, where
// fibers enter and leave the runtime, park and wake others, the fiber that runs may have to go behind the others: in a run with
// several workers, or with preemption, these could do something just then. When nobody can run and no request is in the kernel,
// the clock jumps to the next timer.
//
// A seed decides, by numbers drawn one after the other: how often fibers are interrupted, in which order runnable ones go on
// (any, the newest, the oldest first), and each single choice. Extremes find what averages miss: a fiber that is never
// interrupted, one that always comes last. What fibers see of each other then depends on the seed and on their code alone.
// Not decided here, so different from run to run: what the kernel completes when, and what plain threads do.
//
// A normal run has none: it pays a test of a null pointer where a worker has nothing in its local queue, and the branch of
// base/point.hpp at the points.
//
// Callers. pick, fire_time_ns, pass_time, wait: the holder of the processor, on its own stack. draw: a fiber. The rest: the fiber
// that conducts the schedules (testing.cpp).
//
// I1  While somebody waits in until_quiet(), a fiber that can run, a timer, or a request in the kernel is there; else it is woken.
// I2  Nobody is interrupted while he holds a lock of the runtime, in NoPreempt or PinToThread, or with a lock of the OS.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/point.hpp"
#include "runtime/base/random.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {
struct Config;
}

namespace reeve::sched {

struct Fiber;
class GlobalQueue;
struct Processor;
class Scheduler;
class Worker;

class Rehearsal {
public:
    // What a test asks for is only possible with one worker and without preemption.
    [[nodiscard]] static Config as_possible(Config config);
    [[nodiscard]] static bool is_wanted(const Config& config);

    explicit Rehearsal(const Config& config);
    // The run has ended. Idempotent.
    static void turn_off();
    Rehearsal(const Rehearsal&) = delete;
    Rehearsal& operator=(const Rehearsal&) = delete;

    // --- the holder of the processor
    Fiber* pick(GlobalQueue& runnable);
    // What timers are due.
    [[nodiscard]] std::int64_t fire_time_ns(const Processor& processor);
    // Nobody can run. True: now somebody can, or a timer is due.
    bool pass_time(Scheduler& scheduler, Processor& processor);
    // Sleeps in the ring. A timer still comes due in real time while the kernel has a request.
    static void wait(Processor& processor);

    // --- one schedule after the other
    struct Rules {
        bool lets_time_slip = false;       // timers may come due while fibers can run, as on a busy machine
        std::uint64_t steps_max = 1'000'000;  // fibers continued; then until_quiet() says `endless`
    };
    void begin(std::uint64_t seed, const Rules& rules);
    enum class End : std::uint8_t { quiet, endless };
    End until_quiet();
    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    [[nodiscard]] std::uint64_t interrupts() const { return interrupts_; }
    // Two schedules in which the same was chosen from the same number of fibers, all the way, have the same.
    [[nodiscard]] std::uint64_t trace() const { return trace_; }

    // Less than `bound`, from the seed.
    [[nodiscard]] std::uint64_t draw(std::uint64_t bound) { return random_.below(bound); }
    [[nodiscard]] bool is_seeded() const { return is_seeded_; }

private:
    enum class Order : std::uint8_t { any, newest_first, oldest_first };

    static void at_point(Place place);
    void at_point(Worker& worker, const Fiber& self, Place place);
    [[nodiscard]] std::size_t choose(std::size_t count);
    bool wake_conductor(End end);

    const bool has_clock_;
    const bool is_seeded_;
    Random random_;
    Rules rules_;
    Order order_ = Order::any;
    std::uint64_t interrupt_one_in_ = 0;  // 0: never
    std::uint64_t slip_one_in_ = 0;
    unsigned locks_ = 0;                  // held by the fiber that runs
    std::uint64_t last_id_ = 0;           // of the fiber picked last
    std::uint64_t steps_ = 0;
    std::uint64_t interrupts_ = 0;
    std::uint64_t trace_ = 0;
    Waiter* conductor_ = nullptr;
    End end_ = End::quiet;
};

}  // namespace reeve::sched
