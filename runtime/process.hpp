// Process: child processes in blocking style; their standard streams are Fds.
//
// Idea. asyncio's create_subprocess_exec and Go's exec.Cmd: start() returns once the program runs (or could not be run), wait()
// parks on the child's pidfd, so that neither SIGCHLD nor a thread is needed, and pids that are used again confuse nobody.
//
// A child is never left behind, neither running nor as a zombie (Trio's rule): the destructor of a Process that still runs kills
// it with SIGKILL and collects it; so does wait() when its fiber is cancelled. A deadline that passes does nothing to the child.
//
// The child gets what is given here and no more: every descriptor but its three streams is closed, all signals are at their
// defaults and open, whatever the parent's are. Its own children are its own: `own_group` lets kill() and the destructor reach them.
//
// May park: start, wait, terminate, run, the destructor (until the child is gone), kill with own_group (shortly). Fibers and plain
// threads. Errors: not_found (no such program or directory), timed_out, cancelled, closed (it has ended), or os with the errno.
// While the program ignores SIGCHLD the kernel keeps no exit status: start() refuses. Not signal-safe.
//
// I1  Nobody but Process may wait for its child: a waitpid(-1) elsewhere takes the status away, and wait() is the error ECHILD.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/fd.hpp"

namespace reeve {

// What a standard stream of a child is.
class Stdio {
public:
    static const Stdio inherit;  // the parent's
    static const Stdio null;     // /dev/null
    static const Stdio pipe;     // Process::in(), out() or err()
    static const Stdio as_out;   // of err only: where out goes
    // A copy of this descriptor, which must stay open until start() has returned.
    static constexpr Stdio from(int fd) { return Stdio(fd); }
    static Stdio from(const Fd& fd) { return Stdio(fd.get()); }

    friend constexpr bool operator==(Stdio, Stdio) = default;
    [[nodiscard]] constexpr int number() const { return number_; }

private:
    explicit constexpr Stdio(int number) : number_(number) {}
    int number_;  // of a descriptor; what is not one is negative
};

inline constexpr Stdio Stdio::inherit{-1};
inline constexpr Stdio Stdio::null{-2};
inline constexpr Stdio Stdio::pipe{-3};
inline constexpr Stdio Stdio::as_out{-4};

struct ProcessOptions {
    Stdio in = Stdio::inherit;
    Stdio out = Stdio::inherit;
    Stdio err = Stdio::inherit;
    std::string directory;                                // where it starts; empty: where the parent is
    std::optional<std::vector<std::string>> environment;  // NAME=VALUE; none: the parent's
    bool own_group = false;                               // a process group of its own, which kill() then means
};

struct ProcessExit {
    int status = -1;  // of exit(); -1 when a signal ended it
    int signal = 0;   // that ended it, 0 if none
    bool has_dumped_core = false;

    [[nodiscard]] bool is_success() const { return status == 0; }
};

struct ProcessOutput {
    ProcessExit exit;
    std::string out;
    std::string err;
};

class Process {
public:
    // argv[0] is the program: a path, or a name that is looked for in the parent's PATH. Deadline and cancellation end the wait for a
    // turn to start it (blocking.hpp), no more.
    static Result<Process> start(const std::vector<std::string>& argv, const ProcessOptions& options = {},
                                 Deadline deadline = {});
    // Starts it with pipes for streams, gives it `input`, reads all it writes, waits for its end, and for the end of its output.
    // When the deadline passes or the fiber is cancelled it is killed. A plain thread may call it while run() is active.
    static Result<ProcessOutput> run(const std::vector<std::string>& argv, std::string_view input = {}, ProcessOptions options = {},
                                     Deadline deadline = {});

    Process(Process&&) noexcept;  // before it is shared
    Process& operator=(Process&&) noexcept;
    ~Process();

    [[nodiscard]] int pid() const;
    // This end of the pipes that were asked for; closed ones otherwise. Close in() to end the child's input.
    [[nodiscard]] Fd& in();
    [[nodiscard]] Fd& out();
    [[nodiscard]] Fd& err();

    // Until it has ended. Any number of fibers may wait, before and after that.
    Result<ProcessExit> wait(Deadline deadline = {});
    // The error closed: it was waited for and is gone.
    Result<void> kill(int signal);
    // SIGTERM; SIGKILL when it has not ended `grace` later; waits for the end.
    Result<ProcessExit> terminate(Duration grace);

private:
    struct State;
    explicit Process(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

}  // namespace reeve
