// jump: control goes over and comes back, with the traveller, registers and exceptions intact.
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
using reeve::context::Traveller;

namespace {

constexpr std::size_t k_stack_bytes = 256 * 1024;

struct Coroutine : Traveller {
    StackPool pool{k_stack_bytes};
    Stack stack;
    Side outside;
    Side inside;
    std::vector<int> seen;
    int* carried = nullptr;

    explicit Coroutine(void (*entry)(Traveller&)) {
        pool.take(&stack, 1);
        reeve::context::adopt_thread(outside);
        reeve::context::prepare(inside, stack.bottom, stack.top, entry);
    }
    ~Coroutine() { reeve::context::retire(inside); }
    Coroutine(const Coroutine&) = delete;
    Coroutine& operator=(const Coroutine&) = delete;

    int* enter(int* with = nullptr) { return go(outside, inside, with); }
    int* leave(int* with = nullptr) { return go(inside, outside, with); }
    void leave_for_good() { go(inside, outside, nullptr, true); }

    int* go(Side& left, Side& entered, int* with, bool for_good = false) {
        carried = with;
        return static_cast<Coroutine&>(reeve::context::jump(left, entered, *this, for_good)).carried;
    }
};

}  // namespace

TEST_CASE("context: who travels arrives on either side", "[context]") {
    Coroutine coroutine([](Traveller& who) {
        auto& self = static_cast<Coroutine&>(who);
        for (int value = 10; value < 13; ++value) {
            const int* given = self.leave(&value);
            self.seen.push_back(*given);
        }
        self.leave_for_good();
        std::abort();
    });
    std::vector<int> received;
    const int* given = coroutine.enter();
    for (int value = 0; given; ++value) {
        received.push_back(*given);
        given = coroutine.enter(&value);
    }
    CHECK(received == std::vector<int>{10, 11, 12});
    CHECK(coroutine.seen == std::vector<int>{0, 1, 2});
}

TEST_CASE("context: an exception is thrown and caught on the other stack", "[context]") {
    Coroutine coroutine([](Traveller& who) {
        auto& self = static_cast<Coroutine&>(who);
        try {
            throw std::runtime_error("inside");
        } catch (const std::runtime_error& error) {
            if (std::string(error.what()) == "inside") self.seen.push_back(1);
        }
        self.leave_for_good();
        std::abort();
    });
    coroutine.enter();
    CHECK(coroutine.seen == std::vector<int>{1});
}

TEST_CASE("context: floating-point rounding belongs to the thread and survives", "[context]") {
    Coroutine coroutine([](Traveller& who) {
        auto& self = static_cast<Coroutine&>(who);
        volatile double third = 1.0;
        third = third / 3.0;
        self.seen.push_back(third > 0.333 && third < 0.334);
        self.leave_for_good();
        std::abort();
    });
    volatile double before = 2.0;
    coroutine.enter();
    CHECK(before * before == 4.0);
    CHECK(coroutine.seen == std::vector<int>{1});
}

TEST_CASE("context: the resume point of a side that was left lies on its stack", "[context]") {
    Coroutine coroutine([](Traveller& who) {
        auto& self = static_cast<Coroutine&>(who);
        self.leave();
        self.leave_for_good();
        std::abort();
    });
    coroutine.enter();
    const auto point = reeve::context::resume_point(coroutine.inside.saved);
    CHECK(point.frame_pointer >= coroutine.stack.bottom);
    CHECK(point.frame_pointer < coroutine.stack.top);
    CHECK(point.address != nullptr);
    coroutine.enter();
}
