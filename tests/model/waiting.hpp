// Everything that waits, for model tests: the unchanged sources of waiting, timers and all that is built on them, compiled
// against traced atomics (traced.hpp), on top of model threads that stand for fibers or for plain OS threads.
//
//     Waits waits({Who::fiber, Who::thread});              // what model threads 0 and 1 are
//     Mutex mutex;
//     execution.thread([&] { (void)mutex.lock(k_soon); });
//     execution.thread([&] { waits.cancel(0); });
//
// What is told here again is only what lies below: a fiber that is switched away from says that it was left, on the other stack,
// and sleeps until it is scheduled; a plain thread sleeps until its parker has a token; time passes when a model thread says so.
//
// A file that includes this must include no header of the runtime itself.
#pragma once

#include <concepts>
#include <condition_variable>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <pthread.h>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tests/model/traced.hpp"

#pragma push_macro("NDEBUG")
#undef NDEBUG
#define reeve reeve_model
#define atomic TracedAtomic

#include "runtime/barrier.hpp"
#include "runtime/cancel.hpp"
#include "runtime/channel.hpp"
#include "runtime/condition.hpp"
#include "runtime/event.hpp"
#include "runtime/future.hpp"
#include "runtime/latch.hpp"
#include "runtime/mutex.hpp"
#include "runtime/once.hpp"
#include "runtime/sched/join_core.hpp"
#include "runtime/select.hpp"
#include "runtime/semaphore.hpp"
#include "runtime/shared_mutex.hpp"
#include "runtime/wait_group.hpp"

#undef atomic
#undef reeve
#pragma pop_macro("NDEBUG")

namespace reeve_model {

// Passes when a model thread calls let_time_pass().
inline const Deadline k_soon = Deadline::at_ns(1);

enum class Who { fiber, thread };

// The world of one execution.
class Waits {
public:
    explicit Waits(std::initializer_list<Who> threads);
    ~Waits();
    Waits(const Waits&) = delete;
    Waits& operator=(const Waits&) = delete;

    // Any model thread: as Join::cancel does, and as the holder of a processor that looks at its timers.
    void cancel(unsigned thread);
    void let_time_pass();

    // Nobody stands scheduled that has not gone on, and no timer is armed.
    [[nodiscard]] bool is_tidy() const;

    struct World;

private:
    std::unique_ptr<World> world_;
};

}  // namespace reeve_model
