#include "runtime/run.hpp"

#include <csignal>
#include <memory>

#include "runtime/go.hpp"
#include "runtime/os/shadow_stack.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

void on_sigquit(int) {
    if (Scheduler* scheduler = Scheduler::active()) scheduler->housekeeper.ask_for(sched::Housekeeper::dump);
}

// SIGQUIT prints the fibers while this lives. A handler that the program installed itself is left alone.
class QuitHandler {
public:
    explicit QuitHandler(bool wanted) {
        // Ignored is as good as default: a shell that starts a program in the background ignores it for the program.
        if (!wanted || sigaction(SIGQUIT, nullptr, &previous_) != 0) return;
        if (previous_.sa_handler != SIG_DFL && previous_.sa_handler != SIG_IGN) return;
        struct sigaction action {};
        action.sa_handler = on_sigquit;
        action.sa_flags = SA_RESTART | SA_ONSTACK;
        installed_ = sigaction(SIGQUIT, &action, nullptr) == 0;
    }
    ~QuitHandler() {
        if (installed_) sigaction(SIGQUIT, &previous_, nullptr);
    }

private:
    struct sigaction previous_ {};
    bool installed_ = false;
};

class MainReturns {
public:
    explicit MainReturns(DeadlockCheck& check) : check_(check) {}
    ~MainReturns() { check_.note_main_returned(); }
    MainReturns(const MainReturns&) = delete;
    MainReturns& operator=(const MainReturns&) = delete;

private:
    DeadlockCheck& check_;
};

}  // namespace

void run_erased(const Config& config, void (*main)(void* argument), void* argument) {
    os::refuse_shadow_stack();
    auto scheduler = std::make_unique<Scheduler>(config);
    QuitHandler quit(config.dump_on_sigquit);
    std::exception_ptr error;
    {
        Join<void> first = spawn({.name = "main"}, [main, argument, &check = scheduler->deadlock_check] {
            const MainReturns at_end(check);
            static_cast<Fiber&>(current_parkable()).bequeaths = false;  // or every fiber without a name would be called main
            main(argument);
        });
        try {
            first.join();
        } catch (...) {
            error = std::current_exception();
        }
    }
    // What could not be ended may still touch the scheduler: it must outlive the process then.
    if (!scheduler->shut_down()) (void)scheduler.release();
    if (error) std::rethrow_exception(error);
}

}  // namespace reeve::sched
