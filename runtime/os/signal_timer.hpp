// SignalTimer: a signal to the thread that made it, once, a little later.
//
// The owner's thread creates and arms; arm() is signal-safe and costs about 0.4 us. The signal's si_code is SI_TIMER and its
// value the pointer given. Without a timer (the limit of pending signals is reached) arm() says false.
#pragma once

#include <cstdint>

namespace reeve::os {

class SignalTimer {
public:
    void create(int signal, void* value);
    bool arm(std::int64_t ns);

private:
    int id_ = -1;
};

}  // namespace reeve::os
