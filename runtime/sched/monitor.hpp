// Monitor: the watching OS thread. It ends slices that are too long, when somebody waits.
//
// Idea. Go's sysmon, with two differences: it can take the processor itself, from memory, whatever the thread is
// doing (computing, blocked in the kernel, in a page fault), and it looks into the processors' rings, whose completions
// are memory. At each tick, for every processor whose holder has been in user code since the last tick:
//
//   1  somebody waits who was woken (local or global queue, due timer, completion): the slice ends after a quarter
//      quantum; only fibers that compute wait: after five quanta; nobody: leave it alone;
//   2  a holder whose CPU clock advances is on a CPU: it gets a successor (a spare worker; the thread of a preempted fiber
//      when only such wait) and a signal, and hands its processor over in the handler, on that CPU, so that never more
//      threads are busy than there are processors;
//   3  from a holder that computes and does not answer for a while (all signals blocked, a sanitizer that delays them), and,
//      whether anybody waits or not, from one that sleeps in the kernel, the processor is taken without being asked and given
//      to the successor. The thread is detached then;
//   4  detached threads are watched on (detached.hpp).
//
// When it looks. A look costs some 15 us, most of it to wake up, and it runs before everybody else: so it looks when a slice
// that lasts can end or a timer comes due behind it; where processors change fibers faster than that, once a quantum. Calls
// that block come in crowds: for a while after one was seen it looks as often as it may.
//
// What it takes. On a busy machine it is the first to run, and what it uses nobody else gets: half of a CPU at most, and the more
// threads compute than there are CPUs for the less, down to a sixth; looking at those is what costs most and gets an eighth
// (detached.hpp). Without these bounds it took four fifths of what its process got, and so those that it watched never ended.
//
// A holder is marked overdue a tick before its slice ends: one that calls the runtime gives up there, without any signal.
//
// The monitor sleeps for good when nothing has run for some ticks; a worker that wakes up wakes it. It waits for nothing but
// time: what may block is left to the housekeeper.
//
// Callers: wake_if_asleep, note_work, poke, note_detached: any thread, signal-safe. The rest: the scheduler.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>
#include <vector>

#include "runtime/os/futex.hpp"
#include "runtime/sched/counters.hpp"
#include "runtime/sched/detached.hpp"
#include "runtime/sched/processor_word.hpp"

namespace reeve::sched {

struct Processor;
class Scheduler;
class Worker;

class Monitor {
public:
    explicit Monitor(Scheduler& scheduler);

    void start();
    void stop();

    void wake_if_asleep() {
        if (is_asleep_.load(std::memory_order_seq_cst)) parker_.wake();
    }
    // A fiber was put where any processor may take it, and none is idle. Who pushes while the monitor looks may not be seen: so
    // he makes the pause that follows a short one; who pushes while it is patient, which is for more than a quantum, ends the pause.
    void note_work() {
        Attention seen = attention_.load(std::memory_order_seq_cst);
        if (seen == Attention::looking) (void)attention_.compare_exchange_strong(seen, Attention::noted);
        if (seen == Attention::patient && attention_.compare_exchange_strong(seen, Attention::noted)) parker_.wake();
    }
    // A fiber was preempted while a processor was idle: see to it now.
    void poke() { parker_.wake(); }
    // A worker runs user code without a processor from now on. Its own thread; signal-safe.
    void note_detached(Worker& worker) { detached_.note(worker); }

    Counter ticks;        // times it looked
    Counter taken;        // processors taken
    Counter signals;      // signals sent to threads that computed without a processor
    Counter no_spare;     // processors not taken because there was no thread to give them to

private:
    struct Watch {  // what was seen of a processor at the last tick
        std::uint32_t slices = 0;
        std::int64_t looked_ns = 0;
        std::int64_t since_ns = 0;
        Worker* worker = nullptr;
        std::int64_t cpu_ns = 0;       // of the worker
        std::int64_t cpu_read_ns = 0;  // when
        std::int64_t asked_ns = 0;     // since when it has a successor and a signal; 0: not
        std::int64_t next_look_ns = 0;
        bool lasts = false;            // the slice was there at the last look already
        bool waits_for_cpu = false;    // the worker was runnable after cpu_ns was read
        bool changes_fast = false;     // no slice since the last look is likely to last
    };
    enum class Waiting { nobody, computing, woken };
    enum class Attention : std::uint8_t { looking, noted, patient };  // the last: its next look is more than a quantum away
    enum class Pace { computes, sleeps, unclear };  // of a thread, between two looks at its CPU clock

    void main();
    [[nodiscard]] bool watch_all(std::int64_t now_ns);  // false: nothing runs
    [[nodiscard]] bool is_brisk() const;                // no fiber computes, or did of late
    void watch(Processor& processor, Watch& last, std::int64_t now_ns);
    void mind_turnstile(std::int64_t now_ns);
    void forget(Watch& last);
    [[nodiscard]] std::int64_t pause_ns(const Watch& last, std::int64_t now_ns) const;  // until the next look, if nothing else
    static Pace pace_of(Watch& last, Worker& worker, std::int64_t now_ns);
    // 2: the successor and the signal. False: there is nobody who could go on.
    bool ask(Worker& worker, Waiting waiting);
    // 3: give it to the successor now.
    bool take(Processor& processor, std::uint64_t seen, Worker& successor);
    void take_back_successor(Worker& worker);
    // Who gets a processor whose slice is over; off all lists until it was given one or dismissed.
    Worker* find_successor(Waiting waiting);
    void dismiss(Worker& successor);
    [[nodiscard]] Waiting who_waits(const Processor& processor, std::int64_t now_ns) const;
    [[nodiscard]] std::int64_t next_look_ns(std::int64_t now_ns) const;

    Scheduler& scheduler_;
    const std::int64_t quantum_ns_;
    const std::int64_t tick_ns_;
    pthread_t thread_{};
    os::Parker parker_;
    std::atomic<bool> is_asleep_{false};
    std::atomic<Attention> attention_{Attention::noted};
    std::atomic<bool> is_stopping_{false};
    std::vector<Watch> watches_;
    Detached detached_;
    std::int64_t brief_ns_ = 0;    // when a slice was seen last that was too long for those who waited
    std::int64_t blocked_ns_ = 0;  // when a call that blocks was seen last
    std::int64_t let_in_ns_ = 0;   // when the turnstile was shut, or let one in, last
    std::int64_t next_trace_ns_ = 0;
    std::int64_t next_trim_ns_ = 0;
    std::int64_t next_refresh_ns_ = 0;  // of the code map
};

}  // namespace reeve::sched
