#include "tests/step/sweep.hpp"

#include <csignal>
#include <map>
#include <sstream>

#include "tests/step/marks.hpp"

namespace reeve::step {
namespace {

constexpr std::size_t k_most_instructions = 50'000;  // of one section: more means that it does not end
constexpr unsigned k_most_times = 8;                 // of a loop
constexpr int k_attempts = 3;

}  // namespace

Event Sweep::wait(Until until, bool by_steps) {
    const auto set_going = [&](pid_t thread, int signal) {
        if (by_steps && thread == fiber_)
            tracee_.step(thread, signal);  // with a signal: to the first instruction of its handler
        else
            tracee_.resume(thread, signal);
    };
    for (;;) {
        const Event event = tracee_.next();
        switch (event.kind) {
            case Event::silence: throw Failure{"nothing happens any more" + tracee_.threads() + "\n"};
            case Event::ended: throw Failure{"the program ended with " + std::to_string(event.number)};
            case Event::signal: set_going(event.thread, event.number); break;
            case Event::stepped:
            case Event::reached:
                if (until == Until::moved_or_mark && event.thread == fiber_) return event;
                tracee_.resume(event.thread);
                break;
            case Event::mark: {
                const Tracee::Registers at = Tracee::registers(event.thread);
                if (at.kind == static_cast<std::uint64_t>(Mark::witness)) {
                    witness_has_run_ = true;
                    set_going(event.thread, 0);
                    if (until == Until::witness) return event;
                    break;
                }
                if (at.kind == static_cast<std::uint64_t>(Mark::control)) {
                    control_ = event.thread;
                    control_stands_ = true;
                } else {
                    fiber_ = event.thread;
                    fiber_stands_ = true;
                    verdict_ = at.value;
                }
                return event;
            }
        }
    }
}

std::uint64_t Sweep::command(std::uint64_t number) {
    Tracee::set_value(control_, number);
    control_stands_ = false;
    tracee_.resume(control_);
    while (!control_stands_) wait(Until::mark);
    return Tracee::registers(control_).value;
}

void Sweep::pass_mark() {
    fiber_stands_ = false;
    tracee_.resume(fiber_);
}

// To the next round.
void Sweep::go_on(pid_t held) {
    tracee_.resume(held);
    if (held == fiber_) fiber_stands_ = false;
    for (;;) {
        while (!fiber_stands_) wait(Until::mark);
        const Tracee::Registers at = Tracee::registers(fiber_);
        if (at.kind == static_cast<std::uint64_t>(Mark::round)) break;
        pass_mark();
    }
    if (verdict_ != 0) throw Failure{"stepped.cpp:" + std::to_string(verdict_)};
}

bool Sweep::prepare(std::uint64_t section, Way way) {
    witness_has_run_ = false;
    const bool was_lost = command(static_cast<std::uint64_t>(Command::prepare)) != 0;
    if (way == Way::detached) command(static_cast<std::uint64_t>(Command::take));
    if (way == Way::in_handler) command(static_cast<std::uint64_t>(Command::ask));
    Tracee::set_value(fiber_, section);
    return was_lost;
}

void Sweep::list(std::uint64_t section, Way way) {
    instructions_.clear();
    std::map<std::uint64_t, unsigned> times;
    (void)prepare(section, way);
    do {
        const std::uint64_t code = Tracee::registers(fiber_).code;
        instructions_.push_back({code, times[code]++});
        if (instructions_.size() > k_most_instructions) throw Failure{"the section does not end"};
        tracee_.step(fiber_);
    } while (wait(Until::moved_or_mark, true).kind != Event::mark);
    go_on(fiber_);
}

// False: the section was over without it.
bool Sweep::run_to(std::size_t instruction) {
    if (instruction == 0) return true;
    const auto [code, time] = instructions_[instruction];
    if (!Tracee::set_breakpoint(fiber_, code)) throw Failure{"no breakpoint can be set"};
    fiber_stands_ = false;
    bool is_there = true;
    for (unsigned i = 0; i <= time && is_there; ++i) {
        tracee_.resume(fiber_);
        is_there = wait(Until::moved_or_mark).kind == Event::reached;
    }
    Tracee::set_breakpoint(fiber_, 0);
    return is_there;
}

void Sweep::interrupt(Way way, Swept& swept) {
    const auto tell = [this](Command what) { return command(static_cast<std::uint64_t>(what)); };
    const bool is_first = !witness_has_run_;
    std::uint64_t taken = 0;
    switch (way) {
        case Way::handed_over: tell(Command::ask); break;
        case Way::taken: taken = tell(Command::take); break;
        case Way::unanswered:
            tell(Command::ask);
            taken = tell(Command::take_asked);
            break;
        case Way::detached: tell(Command::signal); break;
        case Way::in_handler: taken = tell(Command::take_asked); break;
        case Way::overdue: tell(Command::overdue); break;
    }
    ++swept.rounds;
    if (taken != 1 || !is_first) return;
    while (!witness_has_run_) {
        if (fiber_stands_) pass_mark();  // the section was over: the thread that is held ran a second fiber
        wait(Until::witness);
    }
    ++swept.held;
}

bool Sweep::round(std::uint64_t section, Way way, std::size_t instruction, Swept& swept) {
    if (prepare(section, way)) ++swept.lost;
    const bool is_there = run_to(instruction);
    const pid_t held = fiber_;
    if (is_there) interrupt(way, swept);
    go_on(held);
    return is_there;
}

std::optional<std::string> Sweep::begin() try {
    while (!fiber_stands_ || !control_stands_) wait(Until::mark);
    if (verdict_ != 0) return "before the first round: stepped.cpp:" + std::to_string(verdict_);
    return std::nullopt;
} catch (const Failure& failure) {
    return failure.what;
}

std::optional<std::string> Sweep::run(std::uint64_t section, Way way, unsigned stride, Swept& swept) {
    std::size_t at = 0;
    try {
        list(section, way);  // the first time memory is allocated
        list(section, way);
        swept.instructions = instructions_.size();
        for (; at < instructions_.size(); at += stride) {
            if (instructions_[at].time >= k_most_times) continue;
            bool is_done = false;
            for (int attempt = 0; attempt < k_attempts && !is_done; ++attempt) is_done = round(section, way, at, swept);
            if (!is_done) ++swept.missed;
        }
        return std::nullopt;
    } catch (const Failure& failure) {
        std::ostringstream text;
        text << failure.what;
        if (at < instructions_.size())
            text << ", after an interruption at instruction " << at << " of " << instructions_.size() << ", "
                 << tracee_.place(instructions_[at].code);
        return text.str();
    }
}

std::optional<std::string> Sweep::end() try {
    Tracee::set_value(fiber_, k_end);
    tracee_.resume(fiber_);
    wait(Until::mark);
    return "it did not end";
} catch (const Failure& failure) {
    return failure.what == "the program ended with 0" ? std::nullopt : std::optional(failure.what);
}

}  // namespace reeve::step
