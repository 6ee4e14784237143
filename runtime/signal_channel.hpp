// SignalChannel: the signals of a process (SIGINT, SIGTERM, SIGHUP ...) as values that a fiber receives.
//
// Idea. Go's signal.Notify. A handler of the runtime's, on whichever thread the kernel picks, notes the signal in every channel
// that wants it and writes to that channel's eventfd; recv() reads the eventfd, so a fiber waits for a signal as for any
// descriptor. (A signalfd would need the signal blocked in every thread there is and will be, libraries' included.)
//
//   reeve::SignalChannel stop({SIGINT, SIGTERM});
//   (void)stop.recv();                              // until somebody wants the program to end
//
// While a channel for a signal lives the signal's own action (ending the process, a handler of the program) is suspended; it is
// restored when the last such channel goes. Each channel gets every signal. A signal that comes again before it was received
// counts once, as the kernel has it. Of several the lowest number comes first. A program started meanwhile has the default action.
//
// recv: may park; timed_out, cancelled, closed, or os when no eventfd could be had. The rest never waits. Fibers and plain threads,
// before run(), too; not in signal handlers. SIGKILL, SIGSTOP, those that tell of a broken program (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
// SIGTRAP, SIGABRT) and the runtime's preemption signal end the process with a reason: they cannot be had.
//
// I1  For each mark that a handler sets in a channel it writes once: who has read one finds a mark (or one was written by a forked
//     child's handler, and it reads again).
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve {

class SignalChannel {
public:
    explicit SignalChannel(std::initializer_list<int> signals);
    ~SignalChannel();  // no recv() may be under way: close() ends them
    SignalChannel(const SignalChannel&) = delete;
    SignalChannel& operator=(const SignalChannel&) = delete;

    // The number of the signal. Any number of fibers may receive; each signal goes to one of them.
    Result<int> recv(Deadline deadline = {});
    std::optional<int> try_recv();
    // Ends the subscription and every recv() under way, and to come, with Errc::closed. Idempotent.
    void close();

private:
    struct Slot;
    struct Table;

    Slot* slot_;
};

}  // namespace reeve
