// What the scheduler says of itself: every fiber with what it waits for, and one line of figures.
//
// Plain threads and fibers; writes with write(2); takes the locks of the stack pools. The picture is taken while
// everything runs, so it is true of each fiber for itself, not of all at one instant.
#pragma once

#include <string>

namespace reeve::sched {

struct Fiber;
class Scheduler;

// Every fiber: id, name, phase, what it waits for, how long, backtrace. Threads that run a fiber are asked for theirs by
// the preemption signal, which may end a sleeping system call with EINTR where the handler cannot make it again.
void dump_all(Scheduler& scheduler, int fd);

// How many fibers wait for what, in one line to standard error, or nothing if none does; Config::on_leaks: all of them besides.
void report_leaks(Scheduler& scheduler);

// "1000ms: processors 2, idle 1, threads 4, fibers 12, ..." to standard error.
void print_trace(Scheduler& scheduler);

// For others who print fibers: the frames of one that is parked, a line each; and all of a text.
void append_backtrace(std::string& text, const Fiber& fiber);
void write_out(int fd, const std::string& text);

}  // namespace reeve::sched
