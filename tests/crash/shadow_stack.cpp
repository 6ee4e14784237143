// Calls run() where the kernel says that the process has a shadow stack. Few machines have them, so a tracer says it in the
// kernel's place: this program's first half, which traces the second. Exit status: that of the second half, which ends with 0
// if run() ran; 77 when tracing is not allowed.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "runtime/runtime.hpp"

namespace {

constexpr int k_left_out = 77;
constexpr unsigned long k_status = 0x5005;  // ARCH_SHSTK_STATUS

[[noreturn]] void be_traced() {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(k_left_out);
    ::raise(SIGSTOP);
    std::exit(reeve::run([] {}));
}

// Goes on to the next entry of a system call, or the next return from one. False: the child has ended.
bool go_on(pid_t child, int& status) {
    return ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0 && ::waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

// Answers the question, if it is asked.
void answer(pid_t child, int& status, long features) {
    for (bool is_return = false; go_on(child, status); is_return = !is_return) {
        user_regs_struct registers{};
        ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
        if (!is_return || registers.orig_rax != SYS_arch_prctl || registers.rdi != k_status) continue;
        registers.rax = 0;
        ::ptrace(PTRACE_POKEDATA, child, registers.rsi, features);
        ::ptrace(PTRACE_SETREGS, child, nullptr, &registers);
        ::ptrace(PTRACE_DETACH, child, nullptr, nullptr);
        ::waitpid(child, &status, 0);
        return;
    }
}

}  // namespace

// The argument: what the kernel is to answer.
int main(int count, char** arguments) {
    if (count < 2) return 2;
    const pid_t child = ::fork();
    if (child == 0) be_traced();
    int status = 0;
    if (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) answer(child, status, std::atol(arguments[1]));
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    ::signal(WTERMSIG(status), SIG_DFL);
    ::raise(WTERMSIG(status));
    return 2;
}
