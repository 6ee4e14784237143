// run: makes the runtime, runs main as its first fiber, and ends it.
//
// Blocks the calling OS thread until main has returned and everything has ended. Fibers that are left then are cancelled
// and waited for, Config::shutdown_grace at most; those that still do not end are reported and abandoned. What still waits when
// main returns is reported as well (Config::on_leaks, REEVE_LEAKS), before it is cancelled. Returns what
// main returns (0 for void); rethrows what main throws. One runtime per process at a time; another run() may follow.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "runtime/config.hpp"

namespace reeve {

namespace sched {
void run_erased(const Config& config, void (*main)(void* argument), void* argument);
}

template <class F>
int run(const Config& config, F&& main) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
        sched::run_erased(config, [](void* raw) { (*static_cast<std::remove_reference_t<F>*>(raw))(); },
                          const_cast<void*>(static_cast<const void*>(&main)));
        return 0;
    } else {
        struct Call {
            std::remove_reference_t<F>& main;
            int result;
        } call{main, 0};
        sched::run_erased(
            config,
            [](void* raw) {
                auto& call_ = *static_cast<Call*>(raw);
                call_.result = call_.main();
            },
            &call);
        return call.result;
    }
}

template <class F>
int run(F&& main) {
    return run(Config::from_env(), std::forward<F>(main));
}

}  // namespace reeve
