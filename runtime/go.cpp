#include "runtime/go.hpp"

#include <algorithm>
#include <cstring>
#include <cxxabi.h>
#include <new>
#include <sched.h>
#include <typeinfo>

#include "runtime/sched/belongings.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve {
namespace sched {
namespace {

[[noreturn]] void die_of_exception(const Fiber& fiber, const char* what) {
    fatal("fiber %llu '%s': uncaught exception: %s", static_cast<unsigned long long>(fiber.id), fiber.name(), what);
}

Fiber* current_fiber() {
    Worker* worker = current_worker();
    return worker ? worker->current_fiber() : nullptr;
}

}  // namespace

void run_closure(Fiber& fiber) noexcept {
    try {
        fiber.seed.run(fiber.seed.closure);
        if (fiber.belongings.load(std::memory_order_relaxed)) [[unlikely]]
            drop_belongings(fiber);
    } catch (const std::exception& error) {
        die_of_exception(fiber, error.what());
    } catch (...) {
        const std::type_info* type = abi::__cxa_current_exception_type();
        die_of_exception(fiber, type ? type->name() : "of unknown type");
    }
}

MadeFiber prepare_fiber(const FiberOptions* options, std::size_t closure_bytes, std::size_t alignment,
                        void (*run)(void* seed)) {
    Scheduler* scheduler = Scheduler::active();
    if (!scheduler) fatal("go/spawn: no run() is active");
    const std::string_view name = options ? std::string_view(options->name) : std::string_view();
    Fiber* fiber = scheduler->create(name, options ? options->stack_bytes : 0);
    if (!fiber) throw std::bad_alloc();
    void* closure = fiber->seed.closure;
    if (closure_bytes != 0) {
        closure = scheduler->room_on_stack(*fiber, closure_bytes, alignment);
        memcpy(fiber->seed.closure, &closure, sizeof closure);
    }
    if (options && !options->labels.empty()) add_labels(*fiber, options->labels);
    fiber->seed.run = run;
    return {fiber, closure};
}

EmptyingSeed::EmptyingSeed() : fiber_(*current_fiber()) { fiber_.rooms_taken |= Parkable::k_first_room; }
EmptyingSeed::~EmptyingSeed() { fiber_.rooms_taken &= static_cast<std::uint8_t>(~Parkable::k_first_room); }

void start_fiber(Fiber& fiber) { Scheduler::active()->start(fiber); }

}  // namespace sched

namespace this_fiber {

std::uint64_t id() {
    const sched::Fiber* fiber = sched::current_fiber();
    return fiber ? fiber->id : 0;
}

std::string_view name() {
    const sched::Fiber* fiber = sched::current_fiber();
    return fiber ? std::string_view(fiber->name()) : std::string_view();
}

void set_name(std::string_view name) {
    sched::Fiber* fiber = sched::current_fiber();
    if (!fiber) return;
    const std::size_t length = std::min(name.size(), sched::Fiber::k_name_bytes - 1);
    sched::StackHead& head = fiber->its_head();
    memcpy(head.name, name.data(), length);
    head.name[length] = '\0';
    fiber->bequeaths = true;
}

const Labels& labels() {
    static const Labels s_none;
    const sched::Fiber* fiber = sched::current_fiber();
    const sched::Belongings* own = fiber ? fiber->belongings.load(std::memory_order_relaxed) : nullptr;
    return own && own->labels ? *own->labels : s_none;
}

bool is_cancelled() { return sched::current_parkable().state.is_marked(); }

void yield() {
    if (sched::Worker* worker = sched::current_worker())
        worker->yield();
    else
        sched_yield();
}

}  // namespace this_fiber
}  // namespace reeve
