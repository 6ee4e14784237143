// Sweep: brings a fiber to every instruction of a section and makes it lose its processor there.
//
// First the section is executed once step by step, which gives the list of its instructions. Then, for each of them, a round:
// the fiber stands before its section and runs up to that instruction, by a breakpoint; there it is interrupted in one of the
// ways below, while it stands still; then everything runs until the next round, which begins with the verdict of the program
// on this one (stepped.cpp). A path that differs from the list (a queue that grew, a poll that was due) misses the
// instruction: that is counted, and the round is done again.
//
// Where the processor can be taken, the fiber is held at its instruction until another fiber has run: nothing that it might
// hold there may be needed for that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/step/tracee.hpp"

namespace reeve::step {

enum class Way {
    handed_over,  // named a successor and sent the signal
    taken,        // taken without a signal
    unanswered,   // named, signalled, and taken before the signal was delivered
    detached,     // taken at the beginning of the section; the signal comes at the instruction
    in_handler,   // signalled at the beginning; taken k instructions later, most of them in the handler
    overdue,      // told to give up at the next exit
};

struct Swept {
    std::size_t instructions = 0;  // of the section, in this way
    std::size_t rounds = 0;        // interruptions
    std::size_t missed = 0;        // instructions that were not met again
    std::size_t lost = 0;          // rounds in which it lost the processor
    std::size_t held = 0;          // rounds in which another fiber ran while this one was held
};

class Sweep {
public:
    explicit Sweep(Tracee& tracee) : tracee_(tracee) {}

    // Every `stride`-th instruction. What went wrong, or nothing.
    std::optional<std::string> run(std::uint64_t section, Way way, unsigned stride, Swept& swept);
    // Brings the program to its first round, and to its end.
    std::optional<std::string> begin();
    std::optional<std::string> end();

private:
    struct Failure {
        std::string what;
    };

    bool prepare(std::uint64_t section, Way way);  // true: the round before cost the fiber its processor
    void list(std::uint64_t section, Way way);
    bool round(std::uint64_t section, Way way, std::size_t instruction, Swept& swept);
    bool run_to(std::size_t instruction);
    void interrupt(Way way, Swept& swept);
    void pass_mark();
    void go_on(pid_t held);
    std::uint64_t command(std::uint64_t number);
    // Lets events happen until the fiber or the control thread stands at a mark, or (if told) its thread has moved or a witness
    // has run; returns that event. `by_steps`: how the fiber's thread goes on after other events of its own.
    enum class Until { mark, moved_or_mark, witness };
    Event wait(Until until, bool by_steps = false);
    void reach_round();

    struct Instruction {
        std::uint64_t code;
        unsigned time;  // how often it was met before, in this round
    };

    Tracee& tracee_;
    std::vector<Instruction> instructions_;
    pid_t control_ = 0;
    pid_t fiber_ = 0;             // the thread the fiber is on, as of its last mark
    bool fiber_stands_ = false;   // at a mark or an instruction, held
    bool control_stands_ = false;
    bool witness_has_run_ = false;
    std::uint64_t verdict_ = 0;
};

}  // namespace reeve::step
