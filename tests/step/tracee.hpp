// Tracee: a program all of whose threads are traced, so that one of them can be moved instruction by instruction.
//
// Plain POSIX: for the test's own OS thread, which must be the one that started it. A thread that stopped for an event stays
// where it is until resume() or step(); new threads are taken in and set going without an event. Every wait has a limit.
// The destructor kills and reaps whatever still runs.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <sys/types.h>

namespace reeve::step {

struct Event {
    enum Kind {
        mark,     // a breakpoint instruction (marks.hpp)
        stepped,  // one instruction was executed
        reached,  // the instruction at the thread's breakpoint comes next
        signal,   // `number` is about to be delivered: to be passed on by resume() or step()
        ended,    // the program; `number` is its exit status, or minus the signal that ended it
        silence,  // nothing happened within the limit
    };
    Kind kind;
    pid_t thread;
    int number;
};

class Tracee {
public:
    // Null when the system does not let us trace.
    static std::unique_ptr<Tracee> start(const std::string& program);
    ~Tracee();
    Tracee(const Tracee&) = delete;
    Tracee& operator=(const Tracee&) = delete;

    Event next();
    void resume(pid_t thread, int signal = 0) const;
    void step(pid_t thread, int signal = 0) const;

    struct Registers {
        std::uint64_t value;   // rax
        std::uint64_t kind;    // rdi
        std::uint64_t code;    // rip
    };
    [[nodiscard]] static Registers registers(pid_t thread);
    static void set_value(pid_t thread, std::uint64_t value);
    // In a debug register: for this thread only. 0: none. False: the machine has none to give.
    static bool set_breakpoint(pid_t thread, std::uint64_t code);
    // "program+0x1234", for addr2line; the bare address where that is not known.
    [[nodiscard]] std::string place(std::uint64_t code) const;
    // A line per thread: its name, the kernel's letter for its state (t: held by us), and its system call, if any, as in
    // /proc/PID/task/TID/syscall: the number, six arguments, stack pointer, code.
    [[nodiscard]] std::string threads() const;

private:
    explicit Tracee(pid_t pid) : pid_(pid), threads_{pid} {}

    pid_t pid_;
    std::set<pid_t> threads_;
    bool has_ended_ = false;
};

}  // namespace reeve::step
