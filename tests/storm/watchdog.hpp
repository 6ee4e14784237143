// Watchdog: a plain thread that ends the process, with a dump of all fibers and exit status 3, when a team makes no step
// for long or the storm does not end.
//
// It counts its own ticks instead of looking at a clock: a process that was stopped as a whole is not stuck.
#pragma once

#include <atomic>
#include <thread>

#include "tests/storm/storm.hpp"

namespace reeve::storm {

class Watchdog {
public:
    // `seconds`: how long the storm is meant to blow.
    Watchdog(Storm& storm, double seconds);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

private:
    void watch(double seconds);

    Storm& storm_;
    std::atomic<bool> is_done_{false};
    std::thread thread_;
};

}  // namespace reeve::storm
