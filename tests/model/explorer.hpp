// explore(): runs a small concurrent program in every order there is, up to a bound on switches.
//
// Idea. The model's threads are bare stacks on one OS thread. Before every access to a traced atomic (traced.hpp) the
// explorer decides who goes on: the same thread, another one, or the signal handler of this one if its signal is pending.
// The decisions of one execution form a list; the next execution repeats it up to the last decision that can still be
// changed. Switches away from a thread that could go on are bounded (most bugs need two or three); those from a thread that
// waits or has ended are not, nor are signals.
//
//     const Explored explored = explore({.switches = 3}, [](Execution& execution) {
//         ProcessorWord word;                                   // what the threads share, anew for each execution
//         execution.thread([&] { ... });
//         execution.thread([&] { ... });
//         execution.run();
//         execution.expect(..., "...");                         // what holds in the end, whatever the order
//     });
//     CHECK(explored.failure == "");
//
// It explores orders, not weak memory: every access is seen by all at once. What orderings promise is left to
// ThreadSanitizer and to the section on orderings in the header that is modelled.
//
// Under ThreadSanitizer only the first 300 orders are tried, under AddressSanitizer the first 3,000.
//
// Callers: explore(): a test's own OS thread. The body must do the same each time but for what the order changes, and may not
// throw. Its threads' locals are not destroyed when an execution fails: none of them may own memory. access(), pause(),
// block_until(), steps_but_of(), fail(): a model thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace reeve::model {

struct Bound {
    unsigned switches = 3;
    std::uint64_t executions = 5'000'000;  // more: a failure, the model is too large
};

struct Explored {
    std::uint64_t executions = 0;
    std::string failure;  // the first one, with the order that led there; empty: none
    bool was_cut_short = false;  // by the limit that a sanitizer sets

    // Had so many orders that the model did what it is for.
    [[nodiscard]] bool is_thorough() const { return was_cut_short || executions > 1000; }
};

class Explorer;

class Execution {
public:
    explicit Execution(Explorer& explorer) : explorer_(explorer) {}

    // Returns its number: 0, 1, ... `handler`: its signal handler.
    unsigned thread(std::function<void()> body, std::function<void()> handler = {});
    // Sends the thread its signal: the handler runs before one of its next accesses, or never if it ends first. A model
    // thread, or before run().
    void raise(unsigned thread);
    // Runs the threads to their ends. False: the execution failed, and what they share is in no defined state.
    bool run();
    void expect(bool holds, const char* what);

private:
    Explorer& explorer_;
};

Explored explore(Bound bound, const std::function<void(Execution&)>& body);

// The decision point; without effect when no model thread runs.
void access();
// A turn of a loop that spins: goes on once another thread has done something.
void pause();
// Goes on once the condition holds, as a thread that sleeps until it is woken. The condition only looks.
void block_until(const std::function<bool()>& condition);
// How much the other threads have done: for loops that go round as long as nothing changes. No decision.
[[nodiscard]] std::uint64_t steps_but_of(unsigned thread);
// Ends the execution.
[[noreturn]] void fail(const char* what);
// The number of the model thread that calls it; k_no_thread outside of run().
inline constexpr unsigned k_no_thread = ~0U;
[[nodiscard]] unsigned current();

}  // namespace reeve::model
