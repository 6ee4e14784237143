// The hand-over: holder, monitor, successor and the holder's signal handler, in every order.
//
// WorkerEntry (enter and both ways to leave), ProcessorWord and HeldQueue are the unchanged headers. What Worker (hand_over,
// park_preempted, attach, stand_in_line, await_processor, give) and Monitor (ask, watch, take, take_back_successor) do with them is
// told here again, access by access, without fibers and without what does not bear on who holds the processor: a change there
// belongs here, too.
//
// A processor travels in user state. The monitor may take it again before the worker that was woken has claimed it; that one
// then stands in line again.
#include "tests/model/traced.hpp"
#include "tests/support/catch.hpp"

using reeve::model::block_until;
using reeve::model::Execution;
using reeve::model::explore;
using reeve_model::sched::Claim;
using reeve_model::sched::Fiber;
using reeve_model::sched::HeldQueue;
using reeve_model::sched::ProcessorEntry;
using reeve_model::sched::ProcessorWord;
using reeve_model::sched::WorkerEntry;

namespace {

struct Machine;

struct Worker : WorkerEntry {
    explicit Worker(Machine& machine_) : machine(machine_) {}

    void on_signal();
    void attach();
    void hand_over();
    void park_preempted();
    void give(Claim* giver);
    void stand_in_line(HeldQueue& queue);
    [[nodiscard]] bool await_processor();
    [[nodiscard]] bool is_detached();
    void give_up_processor() { processor_.store(nullptr); }
    void begin_user_code() { depth_.store(0); }
    [[nodiscard]] bool claims() { return try_claim(); }
    [[nodiscard]] Claim& its_claim() { return claim_; }

    Machine& machine;
    Fiber fiber{};                             // which fiber is which: by address
    std::TracedAtomic<bool> is_waiting{false};
    std::TracedAtomic<Worker*> successor{nullptr};
    std::TracedAtomic<bool> token{false};      // of the parker
};

// One processor, its holder, and a spare worker.
struct Machine {
    ProcessorEntry processor;
    std::TracedAtomic<Worker*> holder{nullptr};
    std::TracedAtomic<bool> is_given{false};   // and not claimed yet
    HeldQueue returning;
    HeldQueue preempted;
    Worker first{*this};
    Worker spare{*this};
    bool spare_is_free = true;                 // in the list of spares; it has one lock
    std::TracedAtomic<int> users{0};

    void use() {
        if (users.fetch_add(1) != 0) reeve::model::fail("two hold the processor");
        users.fetch_sub(1);
    }
    void put_spare() {
        if (spare_is_free) reeve::model::fail("the spare is free twice");
        spare_is_free = true;
    }
    [[nodiscard]] Worker* take_spare() { return std::exchange(spare_is_free, false) ? &spare : nullptr; }
};

bool Worker::is_detached() {
    if (is_waiting.load()) return false;
    return !processor_.load() || !machine.processor.word.is_held_by(claim_);
}

void Worker::on_signal() {
    if (depth() != 0) return;
    hand_over();
    if (is_detached()) park_preempted();
}

void Worker::hand_over() {
    Worker* next = successor.exchange(nullptr);
    if (!next) return;
    if (!try_claim()) {
        successor.store(next);
        return;
    }
    machine.use();
    next->give(&claim_);
}

void Worker::park_preempted() {
    do stand_in_line(machine.preempted);
    while (!await_processor());
    machine.use();
    machine.processor.word.leave(claim_);
}

void Worker::attach() {
    do stand_in_line(machine.returning);
    while (!await_processor());
}

void Worker::stand_in_line(HeldQueue& queue) {
    is_waiting.store(true);
    give_up_processor();
    queue.push(fiber);
}

bool Worker::await_processor() {
    do {
        block_until([this] { return token.peek(); });
        (void)token.exchange(false);
    } while (!processor_.load());
    if (!try_claim()) return false;
    machine.is_given.store(false);
    return true;
}

void Worker::give(Claim* giver) {
    machine.holder.store(this);
    processor_.store(&machine.processor);
    is_waiting.store(false);
    machine.is_given.store(true);
    machine.processor.word.give(giver, claim_);
    token.store(true);
}

// The spare's loop: gives the processor to who stands in line; sleeps, idle, while nobody does. Ends with the first worker.
void run_spare(Machine& machine, const bool& is_over) {
    Worker& self = machine.spare;
    for (;;) {
        block_until([&] { return self.token.peek() || is_over; });
        if (!self.token.peek()) return;
        self.token.exchange(false);
        if (!self.claims()) reeve::model::fail("taken again from a spare");
        machine.is_given.store(false);
        block_until([&] { return machine.returning.size() + machine.preempted.size() != 0 || is_over; });
        machine.use();
        Fiber* held = machine.returning.pop();
        if (!held) held = machine.preempted.pop();
        if (!held) return;
        if (held != &machine.first.fiber) reeve::model::fail("a fiber that nobody held");
        self.is_waiting.store(true);
        self.give_up_processor();
        machine.first.give(&self.its_claim());
        machine.put_spare();
    }
}

// The monitor's turns. It knows the spare has no fiber, and takes a processor that was given only from who has one.
void take(Machine& machine, ProcessorWord::Seen seen, Worker& next) {
    if (machine.processor.word.take(seen))
        next.give(nullptr);
    else
        machine.put_spare();
}

void watch_asked(Machine& machine) {
    const std::uint64_t seen = machine.processor.word.load();
    if (machine.holder.load() != &machine.first || !ProcessorWord::is_user(seen) || machine.is_given.load()) return;
    // None: it is handing over.
    if (Worker* next = machine.first.successor.exchange(nullptr)) take(machine, seen, *next);
}

void watch_given(Machine& machine) {
    const std::uint64_t seen = machine.processor.word.load();
    if (machine.holder.load() != &machine.first || !ProcessorWord::is_user(seen) || !machine.is_given.load()) return;
    if (Worker* next = machine.take_spare()) take(machine, seen, *next);
}

void start(Machine& machine) {
    machine.first.give(nullptr);
    machine.first.token.exchange(false);
    machine.is_given.store(false);
    machine.first.begin_user_code();
}

void hand_over_in_every_order(unsigned switches) {
    const auto explored = explore({.switches = switches, .executions = 50'000'000}, [](Execution& execution) {
        Machine machine;
        start(machine);
        bool is_over = false;
        bool has_used = false;
        const unsigned holder = execution.thread(
            [&] {
                machine.first.enter();
                machine.use();
                machine.first.leave();
                machine.first.enter();
                machine.use();
                machine.first.leave_or_yield();
                has_used = true;
                is_over = true;
            },
            [&] { machine.first.on_signal(); });
        execution.thread([&] { run_spare(machine, is_over); });
        execution.thread([&] {
            // Monitor::ask
            if (machine.first.successor.exchange(machine.take_spare()) != nullptr) reeve::model::fail("named twice");
            execution.raise(holder);
            // Monitor::watch, a while later, and again
            watch_asked(machine);
            watch_given(machine);
        });
        if (!execution.run()) return;
        // What the monitor does when it sees another holder.
        if (machine.first.successor.exchange(nullptr)) machine.put_spare();
        execution.expect(has_used, "the fiber did not end");
        const bool spare_holds = machine.holder.peek() == &machine.spare;
        execution.expect(machine.spare_is_free != spare_holds, "the spare is lost, or used and free");
        execution.expect(machine.first.depth() == 0, "the depth is wrong");
        execution.expect(machine.processor.word.is_held_by(machine.holder.peek()->its_claim()), "nobody holds the processor");
        execution.expect(machine.returning.is_empty() && machine.preempted.is_empty(), "somebody still stands in line");
    });
    CHECK(explored.failure == "");
    CHECK(explored.is_thorough());
}

}  // namespace

namespace reeve_model::sched {

void WorkerEntry::await_another() { static_cast<::Worker*>(this)->attach(); }
void WorkerEntry::leave_overdue() { reeve::model::fail("no slice was over"); }

}  // namespace reeve_model::sched

// Seen failing with hand_over() giving the processor away without try_claim() (renew() finds it in user state), and with the
// depth raised after the claim in enter(): a signal between a claim that failed and attach() makes the fiber stand in line
// twice, and in the end all wait; and with the depth lowered before the word is left. And with attach() standing in line but once,
// with await_processor() claiming nothing, and with give() waking the new holder before it puts the word into user state.
TEST_CASE("hand-over: asked, unanswered, taken: one holder, and the spare is neither lost nor used twice", "[model]") {
    hand_over_in_every_order(2);
}

TEST_CASE("hand-over: the same with a switch more (half a minute)", "[.][full]") { hand_over_in_every_order(3); }
