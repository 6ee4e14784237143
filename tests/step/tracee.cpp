#include "tests/step/tracee.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"

namespace reeve::step {
namespace {

constexpr int k_refused = 99;

constexpr int k_patience = 20;  // seconds

volatile std::sig_atomic_t s_seconds = 0;

// A signal every second ends a waitpid() that waits in vain.
void count_seconds(bool on) {
    struct sigaction action {};
    action.sa_handler = [](int) { s_seconds = s_seconds + 1; };
    sigaction(SIGALRM, &action, nullptr);
    const itimerval timer{.it_interval = {on, 0}, .it_value = {on, 0}};
    setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

std::unique_ptr<Tracee> Tracee::start(const std::string& program) {
    std::fflush(nullptr);
    const pid_t pid = fork();
    REEVE_CHECK(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(k_refused);
        execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
        _exit(k_refused + 1);
    }
    int status = 0;
    REEVE_CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == k_refused) return nullptr;
    if (!WIFSTOPPED(status)) fatal("cannot start %s", program.c_str());
    if (ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return nullptr;
    }
    std::unique_ptr<Tracee> tracee(new Tracee(pid));
    count_seconds(true);
    tracee->resume(pid);
    return tracee;
}

Tracee::~Tracee() {
    count_seconds(false);
    if (has_ended_) return;
    kill(pid_, SIGKILL);
    // The leader is reported last.
    for (int status = 0; waitpid(-1, &status, __WALL) > 0;) {
    }
}

Event Tracee::next() {
    const int began = s_seconds;
    while (s_seconds - began < k_patience) {
        int status = 0;
        const pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) continue;
        if (!WIFSTOPPED(status)) {
            threads_.erase(thread);
            if (thread != pid_) continue;
            has_ended_ = true;
            return {Event::ended, thread, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)};
        }
        const int signal = WSTOPSIG(status);
        const bool is_new = threads_.insert(thread).second;
        if ((status >> 16) != 0 || (is_new && signal == SIGSTOP)) {  // it has made a thread, or is one just made
            resume(thread);
            continue;
        }
        if (signal != SIGTRAP) return {Event::signal, thread, signal};
        siginfo_t info{};
        ptrace(PTRACE_GETSIGINFO, thread, nullptr, &info);
        switch (info.si_code) {
            case SI_KERNEL: return {Event::mark, thread, 0};
            case TRAP_HWBKPT: return {Event::reached, thread, 0};
            default: return {Event::stepped, thread, 0};  // TRAP_TRACE, or SI_USER behind a system call
        }
    }
    return {Event::silence, 0, 0};
}

void Tracee::resume(pid_t thread, int signal) const { ptrace(PTRACE_CONT, thread, nullptr, static_cast<long>(signal)); }

void Tracee::step(pid_t thread, int signal) const { ptrace(PTRACE_SINGLESTEP, thread, nullptr, static_cast<long>(signal)); }

Tracee::Registers Tracee::registers(pid_t thread) {
    user_regs_struct all{};
    ptrace(PTRACE_GETREGS, thread, nullptr, &all);
    return {all.rax, all.rdi, all.rip};
}

void Tracee::set_value(pid_t thread, std::uint64_t value) {
    user_regs_struct all{};
    ptrace(PTRACE_GETREGS, thread, nullptr, &all);
    all.rax = value;
    ptrace(PTRACE_SETREGS, thread, nullptr, &all);
}

bool Tracee::set_breakpoint(pid_t thread, std::uint64_t code) {
    constexpr long k_first_local = 1;  // in the control register: the first address, for execution
    const auto write = [thread](std::size_t number, long value) {
        return ptrace(PTRACE_POKEUSER, thread, offsetof(user, u_debugreg) + number * sizeof(long), value) == 0;
    };
    if (code == 0) return write(7, 0);
    return write(0, static_cast<long>(code)) && write(7, k_first_local);
}

std::string Tracee::place(std::uint64_t code) const {
    std::ifstream maps("/proc/" + std::to_string(pid_) + "/maps");
    std::string line;
    while (std::getline(maps, line)) {
        std::uint64_t from = 0;
        std::uint64_t to = 0;
        std::uint64_t offset = 0;
        char file[4096] = "";
        if (sscanf(line.c_str(), "%lx-%lx %*s %lx %*s %*s %4095s", &from, &to, &offset, file) < 3) continue;
        if (code < from || code >= to) continue;
        std::ostringstream text;
        text << (*file ? file : "?") << "+0x" << std::hex << code - from + offset;
        return text.str();
    }
    return std::to_string(code);
}

std::string Tracee::threads() const {
    std::ostringstream text;
    for (const pid_t thread : threads_) {
        const std::string folder = "/proc/" + std::to_string(pid_) + "/task/" + std::to_string(thread) + "/";
        std::string stat;
        std::string call;
        std::getline(std::ifstream(folder + "stat"), stat);
        std::getline(std::ifstream(folder + "syscall"), call);
        const std::size_t behind_name = stat.rfind(") ");
        if (behind_name != std::string::npos) text << '\n' << stat.substr(0, behind_name + 3) << ' ' << call;
    }
    return text.str();
}

}  // namespace reeve::step
