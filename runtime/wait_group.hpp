// WaitGroup: waits until a number of things are done (Go's sync.WaitGroup); a handle whose copies share one count.
//
// add, done: never park. wait(deadline): may park; timed_out, cancelled. Add before starting what will call done(). Fibers
// and plain threads. Not signal-safe.
#pragma once

#include <memory>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve {

class WaitGroup {
public:
    WaitGroup();

    void add(long count = 1) const;  // a negative sum ends the process
    void done() const { add(-1); }
    Result<void> wait(Deadline deadline = {}) const;

private:
    struct Core;
    std::shared_ptr<Core> core_;
};

}  // namespace reeve
