#include "runtime/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/blocking.hpp"
#include "runtime/go.hpp"
#include "runtime/mutex.hpp"

namespace reeve {
namespace {

// glibc 2.36 has no functions for these.
int open_pidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

long send_signal(int pidfd, int signal) { return syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0); }

constexpr auto k_by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD

bool keeps_no_exit_status() {
    struct sigaction action {};
    sigaction(SIGCHLD, nullptr, &action);
    return (action.sa_flags & SA_NOCLDWAIT) != 0 || ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN);
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

// What posix_spawn is told, and both ends of the pipes until the child has its own.
class Plan {
public:
    Plan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    ~Plan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    // 0 or an errno. `mine`: this process's end of a pipe.
    int add_stream(int stream, Stdio what, Fd& mine) {
        if (what == Stdio::inherit) return 0;
        if (what == Stdio::as_out) return stream == STDERR_FILENO ? posix_spawn_file_actions_adddup2(&actions_, 1, 2) : EINVAL;
        if (what == Stdio::null)
            return posix_spawn_file_actions_addopen(&actions_, stream, "/dev/null", stream == 0 ? O_RDONLY : O_WRONLY, 0);
        int number = what.number();
        if (what == Stdio::pipe) {
            std::array<int, 2> ends{};
            if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno;
            const bool is_input = stream == STDIN_FILENO;
            mine = Fd(ends[is_input ? 1 : 0]);
            number = ends[is_input ? 0 : 1];
            const Fd given(number);  // its copy below is what the child gets
            ::fcntl(mine.get(), F_SETFL, ::fcntl(mine.get(), F_GETFL) | O_NONBLOCK);
            return add_copy(stream, number);
        }
        return add_copy(stream, number);
    }

    int set_directory(const std::string& directory) {
        return directory.empty() ? 0 : posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
    }

    // Last: nothing else stays open, and no trace of this process's signals.
    int finish(bool own_group) {
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                                  (own_group ? POSIX_SPAWN_SETPGROUP : 0)));
        return posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    }

    int spawn(pid_t& pid, const std::vector<std::string>& argv, char* const* environment) {
        return posix_spawnp(&pid, argv[0].c_str(), &actions_, &attributes_, pointers_to(argv).data(), environment);
    }

private:
    // A number above the streams', so that no stream is overwritten before it has been copied.
    int add_copy(int stream, int number) {
        copies_[static_cast<std::size_t>(stream)] = Fd(::fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
        const int copy = copies_[static_cast<std::size_t>(stream)].get();
        return copy < 0 ? errno : posix_spawn_file_actions_adddup2(&actions_, copy, stream);
    }

    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
    std::array<Fd, 3> copies_;
};

// To the end of the stream, or to the error that stops it.
Result<void> read_all(Fd& from, std::string& into, Deadline deadline) {
    constexpr std::size_t k_step = 64 * 1024;  // what a pipe holds
    for (;;) {
        const std::size_t before = into.size();
        into.resize(before + k_step);
        const auto count = from.read(std::as_writable_bytes(std::span(into).subspan(before)), deadline);
        into.resize(before + (count ? *count : 0));
        if (!count && count.error() == Errc::eof) return {};
        if (!count) return count.error();
    }
}

}  // namespace

struct Process::State {
    ~State() {
        if (is_running()) (void)end_now();
    }

    // Under `mutex`, unless noted.
    [[nodiscard]] bool is_running() const { return pid > 0 && !exit && lost == 0; }

    // Collects it if it has ended; `options`: WNOHANG, or 0 to block the OS thread until it has.
    void collect(int options) {
        siginfo_t info{};
        int result;
        do result = ::waitid(k_by_pidfd, static_cast<id_t>(pidfd.get()), &info, WEXITED | options);
        while (result != 0 && errno == EINTR);
        if (result != 0) {
            lost = errno;
        } else if (info.si_pid != 0) {
            const bool exited = info.si_code == CLD_EXITED;
            exit = ProcessExit{.status = exited ? info.si_status : -1,
                               .signal = exited ? 0 : info.si_status,
                               .has_dumped_core = info.si_code == CLD_DUMPED};
        }
    }

    // Locks. SIGKILL for whatever still runs, and its end; not cancellable, since that takes a moment only.
    Result<ProcessExit> end_now() {
        const std::lock_guard guard(mutex);
        if (is_running()) {
            // An unborn or ended leader still holds the number of its group.
            if (has_group) ::kill(-pid, SIGKILL);
            send_signal(pidfd.get(), SIGKILL);
            blocking([this] { collect(0); });
        }
        return result();
    }

    [[nodiscard]] Result<ProcessExit> result() const {
        if (exit) return *exit;
        return Error::from_errno(lost, "wait for process");
    }

    Mutex mutex;
    pid_t pid = -1;
    bool has_group = false;
    Fd pidfd;
    std::array<Fd, 3> streams;
    std::optional<ProcessExit> exit;
    int lost = 0;  // the errno of a child that somebody else has collected
};

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

int Process::pid() const { return state_->pid; }
Fd& Process::in() { return state_->streams[0]; }
Fd& Process::out() { return state_->streams[1]; }
Fd& Process::err() { return state_->streams[2]; }

Result<Process> Process::start(const std::vector<std::string>& argv, const ProcessOptions& options, Deadline deadline) {
    if (argv.empty() || argv[0].empty()) return Error(Errc::malformed, "start process: no program");
    if (keeps_no_exit_status()) return Error::from_errno(ECHILD, "start process while SIGCHLD is ignored");
    auto state = std::make_unique<State>();
    Plan plan;
    int error = 0;
    const std::array<Stdio, 3> wanted{options.in, options.out, options.err};
    for (std::size_t i = 0; i < wanted.size() && error == 0; ++i)
        error = plan.add_stream(static_cast<int>(i), wanted[i], state->streams[i]);
    if (error == 0) error = plan.set_directory(options.directory);
    if (error == 0) error = plan.finish(options.own_group);
    if (error != 0) return Error::from_errno(error, "start process: streams");

    std::vector<char*> environment;
    if (options.environment) environment = pointers_to(*options.environment);
    // The thread sleeps in the kernel until the child has become the program.
    const auto spawned = try_blocking(
        [&] { return plan.spawn(state->pid, argv, options.environment ? environment.data() : environ); }, deadline);
    if (!spawned || *spawned != 0) {
        state->pid = -1;
        return spawned ? Error::from_errno(*spawned, "start process") : spawned.error();
    }
    state->has_group = options.own_group;
    state->pidfd = Fd(open_pidfd(state->pid));
    if (state->pidfd.get() < 0) {
        error = errno;
        ::kill(state->pid, SIGKILL);
        blocking([&] { ::waitpid(std::exchange(state->pid, -1), nullptr, 0); });
        return Error::from_errno(error, "start process: pidfd");
    }
    return Process(std::move(state));
}

Result<ProcessExit> Process::wait(Deadline deadline) {
    State& state = *state_;
    for (;;) {
        {
            const std::lock_guard guard(state.mutex);
            if (state.is_running()) state.collect(WNOHANG);
            if (!state.is_running()) return state.result();
        }
        const auto ended = state.pidfd.poll(POLLIN, deadline);
        if (ended) continue;
        if (ended.error() == Errc::cancelled) (void)state.end_now();
        return Error(ended.error().code(), "wait for process", ended.error().number());
    }
}

Result<void> Process::kill(int signal) {
    State& state = *state_;
    const std::lock_guard guard(state.mutex);
    if (!state.is_running()) return Error(Errc::closed, "kill process");
    const long result = state.has_group ? ::kill(-state.pid, signal) : send_signal(state.pidfd.get(), signal);
    if (result != 0) return Error::from_errno(errno, "kill process");
    return {};
}

Result<ProcessExit> Process::terminate(Duration grace) {
    if (auto asked = kill(SIGTERM); !asked && !(asked.error() == Errc::closed)) return asked.error();
    auto ended = wait(grace);
    if (ended || !(ended.error() == Errc::timed_out)) return ended;
    return state_->end_now();
}

Result<ProcessOutput> Process::run(const std::vector<std::string>& argv, std::string_view input, ProcessOptions options,
                                   Deadline deadline) {
    options.in = options.out = Stdio::pipe;
    if (!(options.err == Stdio::as_out)) options.err = Stdio::pipe;
    Result<Process> process = start(argv, options, deadline);
    if (!process) return process.error();
    ProcessOutput output;
    // A child that does not read its input to the end is free to do so.
    auto feeder = spawn({.name = "process input"}, [&] {
        while (!input.empty()) {
            const auto count = process->in().write(std::as_bytes(std::span(input)), deadline);
            if (!count) break;
            input.remove_prefix(*count);
        }
        process->in().close();
    });
    auto errors = spawn({.name = "process errors"}, [&]() -> Result<void> {
        if (!process->err().is_open()) return {};
        return read_all(process->err(), output.err, deadline);
    });
    const Result<void> read = read_all(process->out(), output.out, deadline);
    const Result<void> read_errors = errors.join();
    feeder.join();
    if (!read) return read.error();
    if (!read_errors) return read_errors.error();
    const Result<ProcessExit> ended = process->wait(deadline);
    if (!ended) return ended.error();
    output.exit = *ended;
    return output;
}

}  // namespace reeve
