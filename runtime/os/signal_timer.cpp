#include "runtime/os/signal_timer.hpp"

#include <csignal>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

namespace reeve::os {

void SignalTimer::create(int signal, void* value) {
    // The kernel's call: the C library's allocates.
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event.sigev_value.sival_ptr = value;
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id_) != 0) id_ = -1;
}

bool SignalTimer::arm(std::int64_t ns) {
    const itimerspec when{.it_interval = {0, 0}, .it_value = {0, ns}};
    return id_ >= 0 && syscall(SYS_timer_settime, id_, 0, &when, nullptr) == 0;
}

}  // namespace reeve::os
