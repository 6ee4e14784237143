// PinToThread: the fiber stays on the OS thread it is on, for as long as the guard lives. Go's LockOSThread.
//
// For libraries that keep state per thread across calls (graphics contexts, per-thread sessions, a namespace entered with
// setns). While a pinned fiber waits, its thread waits with it, and minds its processor as long as there is nothing else to run:
// it costs a thread, and waking it the kernel's time instead of a switch. Nests. Constructing never parks. No effect in plain
// threads. Preemption goes on as ever: it never moves a fiber.
#pragma once

namespace reeve {

class [[nodiscard]] PinToThread {
public:
    PinToThread();
    ~PinToThread();
    PinToThread(const PinToThread&) = delete;
    PinToThread& operator=(const PinToThread&) = delete;
};

}  // namespace reeve
