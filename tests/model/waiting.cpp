#include "tests/model/kernel.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>

#pragma push_macro("NDEBUG")
#undef NDEBUG
#define reeve reeve_model
#define atomic TracedAtomic

#include "runtime/barrier.cpp"
#include "runtime/base/result.cpp"
#include "runtime/cancel.cpp"
#include "runtime/channel_core.cpp"
#include "runtime/condition.cpp"
#include "runtime/event.cpp"
#include "runtime/future.cpp"
#include "runtime/latch.cpp"
#include "runtime/mutex.cpp"
#include "runtime/once.cpp"
#include "runtime/sched/join_core.cpp"
#include "runtime/sched/park.cpp"
#include "runtime/sched/poller.cpp"
#include "runtime/sched/belongings.cpp"
#include "runtime/sched/timers.cpp"
#include "runtime/sched/wait_queue.cpp"
#include "runtime/select.cpp"
#include "runtime/semaphore.cpp"
#include "runtime/shared_mutex.cpp"
#include "runtime/wait_group.cpp"
#include "runtime/with_deadline.cpp"
#include "runtime/with_helpers.cpp"

#undef atomic
#undef reeve
#pragma pop_macro("NDEBUG")

namespace reeve_model {
namespace {

constexpr std::size_t k_most = 4;

std::int64_t g_now_ns = 0;
Waits::World* g_world = nullptr;

// Of it there are only the processors, one for all fibers; make_runnable() below is no more than a name.
sched::Scheduler& no_scheduler() {
    alignas(sched::Scheduler) static std::array<std::byte, sizeof(sched::Scheduler)> s_memory{};
    return *std::launder(reinterpret_cast<sched::Scheduler*>(s_memory.data()));
}

}  // namespace

struct Waits::World {
    struct One {
        // What stands for it never ends by itself; the attachments among them may lie on stacks that were left for good.
        ~One() {
            delete thread.belongings.peek();
            delete fiber.belongings.peek();
        }
        Who who = Who::thread;
        sched::ThreadParkable thread;
        sched::Fiber fiber{};
        sched::StackHead head{};              // for what a fiber says of its wait
        std::optional<sched::Worker> worker;  // of a fiber
        bool is_scheduled = false;
    };

    void fire_timers() {
        std::array<sched::Parkable*, k_most> due{};
        bool more = false;
        const std::size_t fired = processor().timers.fire(g_now_ns, due.data(), k_most, more);
        for (std::size_t i = 0; i < fired; ++i)
            if (due[i]->state.ready()) sched::schedule(*due[i]);
    }

    [[nodiscard]] sched::Processor& processor() const { return *no_scheduler().processors.front(); }

    std::array<One, k_most> all;
    Kernel kernel;
};

namespace {

Waits::World::One& self() { return g_world->all[reeve::model::current()]; }

// Of the one processor. The engine of the tests is the model's kernel.
class Engine final : public os::IoEngine {
public:
    bool push(const os::Request& request) override {
        Kernel::now().push(request);
        return false;
    }
    [[nodiscard]] bool has_unsubmitted() const override { return Kernel::now().has_queued(); }
    [[nodiscard]] bool has_in_flight() const override { return Kernel::now().has_in_flight(); }
    void submit() override { Kernel::now().submit(); }
    unsigned drain(os::Completion*, unsigned) override { return 0; }
    [[nodiscard]] bool has_completions() const override { return Kernel::now().has_completions(); }
    void wait(std::int64_t) override {}
    void cancel_all(int) override { Kernel::now().cancel_all(); }
    void wake() override {}
};

}  // namespace

Kernel& Kernel::now() { return g_world->kernel; }

std::int64_t now_ns() { return g_now_ns; }
std::int64_t VirtualClock::monotonic_ns_at(std::int64_t instant_ns) { return instant_ns; }

namespace os {

void Parker::wake() { token_.store(1); }
bool Parker::park_until(std::int64_t deadline_ns) {
    reeve::model::block_until([&] { return token_.peek() != 0 || g_now_ns >= deadline_ns; });
    return token_.exchange(0) != 0;
}

}  // namespace os

namespace sched {

std::TracedAtomic<Scheduler*> Scheduler::s_active{&no_scheduler()};

Entry::Entry() = default;
Entry::~Entry() = default;

WorkerEntry* current_worker_entry() {
    // The test's own thread looks at what is left.
    if (reeve::model::current() == reeve::model::k_no_thread) return nullptr;
    return self().worker ? &*self().worker : nullptr;
}
ThreadParkable& current_thread_parkable() { return self().thread; }
std::TracedAtomic<bool> s_is_forked{false};
void die_of_fork() { reeve::model::fail("there was no fork"); }

void Worker::give(Processor& processor, Claim*, Wake) { processor_.store(&processor); }

// Left, on the other stack, and continued once it is scheduled.
Worker& Worker::switch_away(After) {
    Fiber& left = *current_fiber();
    if (left.state.leave()) return *this;
    Waits::World::One& one = self();
    while (!one.is_scheduled) {
        // As poll() does: requests to the kernel, completions from it, and timers, which may have been due when they were armed.
        if (g_world->kernel.has_queued()) g_world->kernel.submit();
        reeve::model::block_until([&] {
            return one.is_scheduled || g_world->kernel.has_completions() || g_world->kernel.has_queued() ||
                   g_world->processor().timers.earliest_ns() <= g_now_ns;
        });
        while (g_world->kernel.has_completions()) complete(g_world->kernel.next_completion());
        if (!one.is_scheduled) g_world->fire_timers();
    }
    one.is_scheduled = false;
    return *this;
}

void Scheduler::make_runnable(Fiber& fiber) {
    for (auto& one : g_world->all)
        if (&one.fiber == &fiber && std::exchange(one.is_scheduled, true)) reeve::model::fail("scheduled twice");
}
// With one processor there are no helpers.
MadeFiber prepare_fiber(const FiberOptions*, std::size_t, std::size_t, void (*)(void*)) { std::abort(); }
void Scheduler::start_elsewhere(Fiber&) { std::abort(); }

}  // namespace sched

Waits::Waits(std::initializer_list<Who> threads) : world_(std::make_unique<World>()) {
    g_now_ns = 0;
    g_world = world_.get();
    auto& processors = no_scheduler().processors;
    processors.clear();
    static Engine s_engine;
    processors.push_back(std::make_unique<sched::Processor>(0, false, nullptr, s_engine));
    auto* one = world_->all.data();
    for (const Who who : threads) {
        one->who = who;
        one->fiber.is_fiber = true;
        one->fiber.head.store(&one->head);
        if (who == Who::fiber) {
            one->worker.emplace(no_scheduler());
            one->worker->fiber.store(&one->fiber);
            one->worker->give(world_->processor(), nullptr, sched::Wake::anywhere);
        }
        ++one;
    }
}

Waits::~Waits() { sched::t_end.who = nullptr; }  // what stood for a thread goes away with the world, not with the thread

void Waits::cancel(unsigned thread) {
    World::One& one = world_->all[thread];
    sched::Parkable& who = one.who == Who::fiber ? static_cast<sched::Parkable&>(one.fiber) : one.thread;
    sched::Entry entry;
    if (who.state.cancel(sched::FiberState::mark_cancelled)) sched::schedule(who);
}

void Waits::let_time_pass() {
    g_now_ns = 1;
    world_->fire_timers();
}

bool Waits::is_tidy() const {
    const bool none_scheduled = std::none_of(world_->all.begin(), world_->all.end(), [](const auto& one) { return one.is_scheduled; });
    return none_scheduled && world_->processor().timers.earliest_ns() == Deadline::k_never_ns;
}

}  // namespace reeve_model
