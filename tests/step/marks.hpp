// Where a stepped program and its driver meet: a breakpoint instruction that tells which mark it is, and takes an answer.
//
// The program stops at a mark until the driver resumes that thread: `kind` and `value` are in its registers (rdi, rax), and
// the answer is what the driver leaves in rax. Without a driver a mark ends the program.
#pragma once

#include <cstdint>

namespace reeve::step {

enum class Mark : std::uint64_t {
    round = 1,  // the fiber is ready; value: verdict on the round before; answer: the section to run, or k_end
    over,       // the section is over
    witness,    // another fiber runs
    control,    // the control thread is ready; value: outcome of the last command; answer: the next one
};

inline constexpr std::uint64_t k_end = ~std::uint64_t{0};

// What the control thread is told to do; mostly what the monitor does (sched/monitor.cpp).
enum class Command : std::uint64_t {
    prepare = 1,  // between rounds: a successor at hand, a witness fiber in the global queue. Outcome: 1 if the last successor was used
    ask,          // names the successor and sends the signal
    take,         // takes the processor and gives it to the successor. Outcome: 0 if it could not; 1; 2 if from the witness
    take_asked,   // take() after ask(), when there was no answer. Outcome: as that of take
    signal,       // the signal alone, as to a detached worker
    overdue,      // tells it to give up at its next exit of the runtime
};

inline std::uint64_t stop_at(Mark kind, std::uint64_t value) {
    asm volatile("int3" : "+a"(value) : "D"(static_cast<std::uint64_t>(kind)) : "memory", "cc");
    return value;
}

}  // namespace reeve::step
