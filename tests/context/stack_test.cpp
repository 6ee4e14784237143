// StackPool: distinct guarded stacks, memory only where touched, zero when new.
#include "runtime/context/stack.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "tests/support/catch.hpp"

using reeve::context::Stack;
using reeve::context::StackPool;

namespace {

constexpr std::size_t k_stack_bytes = 64 * 1024;

// The signal a child process dies of when it writes to `address`, 0 if it survives.
int signal_of_write(std::byte* address) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGSEGV, SIG_DFL);
        *static_cast<volatile std::byte*>(address) = std::byte{1};
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("stack pool: stacks do not overlap, across slabs too", "[stack]") {
    StackPool pool(k_stack_bytes);
    constexpr std::size_t k_count = 3 * StackPool::k_stacks_per_slab;
    std::vector<Stack> stacks(k_count);
    REQUIRE(pool.take(stacks.data(), k_count) == k_count);
    std::sort(stacks.begin(), stacks.end(), [](const Stack& a, const Stack& b) { return a.bottom < b.bottom; });
    for (std::size_t i = 0; i < k_count; ++i) {
        REQUIRE(stacks[i].bottom < stacks[i].top);
        if (i > 0) REQUIRE(stacks[i - 1].top < stacks[i].bottom);
    }
}

TEST_CASE("stack pool: the page below a stack is a guard", "[stack]") {
    StackPool pool(k_stack_bytes);
    Stack stack;
    REQUIRE(pool.take(&stack, 1) == 1);
    CHECK(signal_of_write(stack.bottom) == 0);
    CHECK(signal_of_write(stack.top - 1) == 0);
    CHECK(signal_of_write(stack.bottom - 1) == SIGSEGV);
    CHECK(StackPool::is_in_guard(stack, stack.bottom - 1));
    CHECK_FALSE(StackPool::is_in_guard(stack, stack.bottom));
}

TEST_CASE("stack pool: an unused stack costs no memory and reads as zero", "[stack]") {
    StackPool pool(k_stack_bytes);
    Stack stack;
    REQUIRE(pool.take(&stack, 1) == 1);
    const auto bytes = static_cast<std::size_t>(stack.top - stack.bottom);
    std::vector<unsigned char> resident(bytes / 4096);
    REQUIRE(::mincore(stack.bottom, bytes, resident.data()) == 0);
    CHECK(std::none_of(resident.begin(), resident.end(), [](unsigned char page) { return (page & 1) != 0; }));
    CHECK(std::all_of(stack.bottom, stack.top, [](std::byte byte) { return byte == std::byte{0}; }));
}

// Seen failing with take() that takes the highest.
TEST_CASE("stack pool: stacks given back are taken again, side by side, however they came back", "[stack]") {
    StackPool pool(k_stack_bytes);
    std::vector<Stack> stacks(3);
    REQUIRE(pool.take(stacks.data(), 3) == 3);
    for (const std::size_t i : {1, 2, 0}) pool.give(&stacks[i], 1);
    std::vector<Stack> again(3);
    REQUIRE(pool.take(again.data(), 3) == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(again[i].top == stacks[i].top);
        CHECK(again[i].bottom == stacks[i].bottom);
    }
    CHECK(stacks[1].top == stacks[0].top + k_stack_bytes);
}

// Seen failing with reserve() that only adds up.
TEST_CASE("stack pool: what was reserved can be taken when no more address space is to be had", "[stack]") {
    StackPool pool(k_stack_bytes);
    constexpr std::size_t k_count = 2 * StackPool::k_stacks_per_slab + 1;
    REQUIRE(pool.reserve(k_count - 1));
    REQUIRE(pool.reserve(1));
    std::vector<Stack> stacks(k_count);
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit none{.rlim_cur = 0, .rlim_max = 0};
        ::setrlimit(RLIMIT_AS, &none);
        ::_exit(pool.take(stacks.data(), k_count) == k_count ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

// Seen failing with trim() that takes the lowest, and with begin_trim_period() that forgets what was needed meanwhile.
TEST_CASE("stack pool: trimmed is what nobody needed for a period, the highest first", "[stack]") {
    StackPool pool(k_stack_bytes);
    constexpr std::size_t k_count = StackPool::k_hot_stacks + 64;
    std::vector<Stack> stacks(k_count);
    REQUIRE(pool.take(stacks.data(), k_count) == k_count);
    for (const Stack& stack : stacks) stack.top[-1] = std::byte{1};
    pool.give(stacks.data(), k_count);
    CHECK_FALSE(pool.begin_trim_period());  // all of them were in use
    CHECK_FALSE(pool.trim(100));
    CHECK(pool.has_surplus());
    std::vector<Stack> needed(k_count - 8);
    REQUIRE(pool.take(needed.data(), needed.size()) == needed.size());
    pool.give(needed.data(), needed.size());
    CHECK(pool.begin_trim_period());
    CHECK(pool.trim(100));
    CHECK_FALSE(pool.trim(100));
    const auto was_trimmed = [](const Stack& stack) { return stack.top[-1] == std::byte{0}; };
    CHECK(std::count_if(stacks.begin(), stacks.end(), was_trimmed) == 8);
    CHECK(std::all_of(stacks.end() - 8, stacks.end(), was_trimmed));
    CHECK(pool.begin_trim_period());
    while (pool.trim(100)) {}
    CHECK_FALSE(pool.has_surplus());
    CHECK(std::count_if(stacks.begin(), stacks.end(), was_trimmed) == 64);
}
