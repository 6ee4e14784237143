// sleep_for, sleep_until: the calling fiber (or plain thread) rests.
//
// May park. The result may be ignored; it says Errc::cancelled when a cancellation came first. A fiber wakes up to the
// nearest microseconds after the time, never before.
#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve {

struct Slept : Result<void> {  // unlike its base, it may be ignored
    using Result<void>::Result;
};

Slept sleep_until(Deadline instant);

template <class Rep, class Period>
Slept sleep_for(std::chrono::duration<Rep, Period> duration) {
    return sleep_until(Deadline::in(duration));
}

}  // namespace reeve
