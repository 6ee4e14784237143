// Dies, in a forked child that uses the runtime: only its parent has one. The argument says how it does so. The parent
// waits for it and passes its signal on.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace {

void use_runtime(const std::string& how, reeve::Channel<int>& channel) {
    if (how == "sleep") (void)reeve::sleep_for(1ms);
    if (how == "yield") reeve::this_fiber::yield();
    if (how == "spawn") reeve::go([] {});
    if (how == "channel") (void)channel.recv();
    if (how == "guard") const reeve::NoPreempt guard;
    // "return": out of the fiber's function.
}

}  // namespace

int main(int, char** arguments) {
    const std::string how = arguments[1];
    int status = 0;
    reeve::run([&] {
        reeve::Channel<int> channel;
        auto forking = reeve::spawn({.name = "forking"}, [&] {
            const pid_t child = ::fork();
            if (child == 0) {
                ::alarm(10);  // should it hang
                use_runtime(how, channel);
                if (how == "return") return;
                ::_exit(0);
            }
            while (::waitpid(child, &status, 0) < 0) {
            }
        });
        forking.join();
        // The parent's runtime is none the worse.
        auto sender = reeve::spawn([channel]() mutable { return channel.send(5).has_value(); });
        if (channel.recv().value_or(0) != 5 || !sender.join() || !reeve::sleep_for(1ms)) status = -1;
    });
    std::printf("parent goes on, child ended with signal %d, status %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    std::fflush(stdout);
}
