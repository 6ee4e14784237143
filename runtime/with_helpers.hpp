// with_helpers: work in steps that any fiber may take, shared with the processors that have nothing to do. Internal.
//
// Idea. Who makes a million fibers runnable and lets others steal them hands every record, which it has just written, from one CPU's
// cache to another's. Here the task is shared instead: a helper, a fiber on another processor, takes steps of it as well, and whom
// it wakes runs where it was woken (README.md has the figures).
//
// Callers. Fibers and plain threads, from user code: between two steps a helper can be started, which may take over as soon as it
// is. Neither parks nor throws; short of memory it goes on alone. Not signal-safe.
//
// I1  A step is called by several fibers at a time. The last of them may return after with_helpers() did: what the step touches it
//     has to own.
#pragma once

#include <new>

#include "runtime/go.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {

// The caller may start one more, beside so many: somebody is idle.
[[nodiscard]] bool may_start_helper(unsigned so_far);
void start_helper(Fiber& fiber);  // inside an Entry

// `step`: bool(); false: there are no further ones.
template <class Step>
void with_helpers(const Step& step) {
    unsigned helpers = 0;
    while (step()) {
        if (!may_start_helper(helpers)) continue;
        ++helpers;
        const Entry entry;
        try {
            start_helper(*prepare_fiber_for(nullptr, [step] {
                while (step()) {}
            }).fiber);
        } catch (const std::bad_alloc&) {
            // Then alone.
        }
    }
}

}  // namespace reeve::sched
