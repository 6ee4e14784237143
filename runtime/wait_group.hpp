// WaitGroup: waits until a number of things are done (Go's sync.WaitGroup); a handle whose copies share one count.
//
// add, done: never park. wait(deadline): may park; timed_out, cancelled; neither changes the count. Any number may wait,
// and all go on when the count becomes 0; it may rise again after that. Add before starting what will call done(), else
// wait() may find 0 too early. Fibers and plain threads. Not signal-safe.
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
