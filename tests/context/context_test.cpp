// jump: control goes over and comes back, with data, registers and exceptions intact.
#include "runtime/context/context.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/context/stack.hpp"
#include "tests/support/catch.hpp"

using reeve::context::Side;
using reeve::context::Stack;
using reeve::context::StackPool;

namespace {

constexpr std::size_t k_stack_bytes = 256 * 1024;

struct Coroutine {
    StackPool pool{k_stack_bytes};
    Stack stack;
    Side outside;
    Side inside;
    std::vector<int> seen;

    explicit Coroutine(void (*entry)(void*)) {
        pool.take(&stack, 1);
        reeve::context::adopt_thread(outside);
        reeve::context::prepare(inside, stack.bottom, stack.top, entry);
    }
    ~Coroutine() { reeve::context::retire(inside); }
    Coroutine(const Coroutine&) = delete;
    Coroutine& operator=(const Coroutine&) = delete;

    void* enter(void* data) { return reeve::context::jump(outside, inside, data); }
    void* leave(void* data) { return reeve::context::jump(inside, outside, data); }
    void* leave_for_good(void* data) { return reeve::context::jump(inside, outside, data, true); }
};

}  // namespace

TEST_CASE("context: data travels both ways with each jump", "[context]") {
    Coroutine coroutine([](void* data) {
        auto& self = *static_cast<Coroutine*>(data);
        for (int value = 10; value < 13; ++value) {
            const auto* given = static_cast<int*>(self.leave(&value));
            self.seen.push_back(*given);
        }
        self.leave_for_good(nullptr);
        std::abort();
    });
    std::vector<int> received;
    void* data = coroutine.enter(&coroutine);
    for (int value = 0; data; ++value) {
        received.push_back(*static_cast<int*>(data));
        data = coroutine.enter(&value);
    }
    CHECK(received == std::vector<int>{10, 11, 12});
    CHECK(coroutine.seen == std::vector<int>{0, 1, 2});
}

TEST_CASE("context: an exception is thrown and caught on the other stack", "[context]") {
    Coroutine coroutine([](void* data) {
        auto& self = *static_cast<Coroutine*>(data);
        try {
            throw std::runtime_error("inside");
        } catch (const std::runtime_error& error) {
            if (std::string(error.what()) == "inside") self.seen.push_back(1);
        }
        self.leave_for_good(nullptr);
        std::abort();
    });
    coroutine.enter(&coroutine);
    CHECK(coroutine.seen == std::vector<int>{1});
}

TEST_CASE("context: floating-point rounding belongs to the thread and survives", "[context]") {
    Coroutine coroutine([](void* data) {
        auto& self = *static_cast<Coroutine*>(data);
        volatile double third = 1.0;
        third = third / 3.0;
        self.seen.push_back(third > 0.333 && third < 0.334);
        self.leave_for_good(nullptr);
        std::abort();
    });
    volatile double before = 2.0;
    coroutine.enter(&coroutine);
    CHECK(before * before == 4.0);
    CHECK(coroutine.seen == std::vector<int>{1});
}

TEST_CASE("context: the resume point of a side that was left lies on its stack", "[context]") {
    Coroutine coroutine([](void* data) {
        auto& self = *static_cast<Coroutine*>(data);
        self.leave(nullptr);
        self.leave_for_good(nullptr);
        std::abort();
    });
    coroutine.enter(&coroutine);
    const auto point = reeve::context::resume_point(coroutine.inside.saved);
    CHECK(point.frame_pointer >= coroutine.stack.bottom);
    CHECK(point.frame_pointer < coroutine.stack.top);
    CHECK(point.address != nullptr);
    coroutine.enter(nullptr);
}
