// Stacks and registers of fibers that are stopped by signals: the kernel puts a stopped thread's registers, 3 KiB and more,
// on the thread's alternate stack, never on the fiber's.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <alloca.h>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/hazards/hogs.hpp"
#include "tests/support/child.hpp"

using namespace std::chrono_literals;

namespace {

// Runs `body` (until its argument is not 0) on more fibers than there are workers, so that all of them are stopped again and
// again: the main fiber can only sleep when they are.
void stop_often(const std::function<void(const int& stop)>& body) {
    reeve::test::run_everywhere(
        [&body] {
            int stop = 0;
            std::vector<reeve::Join<void>> fibers;
            for (unsigned i = 0; i < 2 * reeve::test::workers() + 1; ++i)
                fibers.push_back(reeve::spawn({.stack_bytes = 64 * 1024}, [&] { body(stop); }));
            for (int i = 0; i < 60; ++i) REEVE_EXPECT(reeve::sleep_for(1ms));
            __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
            for (auto& fiber : fibers) fiber.join();
        },
        reeve::test::short_slices);
}

constexpr std::uintptr_t k_left = 1024;

[[gnu::noinline, gnu::no_sanitize("address", "thread")]] std::uintptr_t spin_with_little_stack(std::uintptr_t bottom,
                                                                                               const int& stop) {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    volatile char* taken = static_cast<volatile char*>(alloca(here - bottom - k_left));
    taken[0] = 1;
    std::uintptr_t stack_pointer;
    asm volatile("mov %%rsp, %0" : "=r"(stack_pointer));
    asm volatile("1: cmpl $0, %0; je 1b" : : "m"(stop) : "cc", "memory");
    return stack_pointer - bottom;
}

// A pattern for `count` bytes of registers, different for each fiber.
std::vector<unsigned char> pattern(std::size_t count) {
    std::vector<unsigned char> bytes(count);
    const std::uint64_t fiber = reeve::this_fiber::id();
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<unsigned char>(i * 37 + i / 64 * 11 + fiber * 101 + 1);
    return bytes;
}

#define ALL_32(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) \
    X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

// Loads 32 registers of 64 bytes, spins until `stop`, stores them.
[[gnu::noinline, gnu::target("avx512f")]] void hold_avx512(const unsigned char* from, unsigned char* to, const int& stop) {
#define LOAD(n) "vmovdqu64 " #n "*64(%0), %%zmm" #n "\n"
#define STORE(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%1)\n"
    asm volatile(ALL_32(LOAD) "1: cmpl $0, %2\n je 1b\n" ALL_32(STORE) "vzeroupper"
                 :
                 : "r"(from), "r"(to), "m"(stop)
                 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                   "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
                   "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

// Loads the first `count` registers of 16 bytes, for CPUs without the large ones.
[[gnu::noinline]] void hold_sse(const unsigned char* from, unsigned char* to, const int& stop) {
    asm volatile("movdqu (%0), %%xmm0\n movdqu 16(%0), %%xmm7\n movdqu 32(%0), %%xmm15\n"
                 "1: cmpl $0, %2\n je 1b\n"
                 "movdqu %%xmm0, (%1)\n movdqu %%xmm7, 16(%1)\n movdqu %%xmm15, 32(%1)"
                 :
                 : "r"(from), "r"(to), "m"(stop)
                 : "memory", "cc", "xmm0", "xmm7", "xmm15");
}

// Asks the kernel for the tile registers; true when they may be used from now on.
bool may_use_tiles() {
    constexpr int k_request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr int k_tile_data = 18;
    return ::syscall(SYS_arch_prctl, k_request_permission, k_tile_data) == 0;
}

struct alignas(64) TileConfig {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::array<std::uint8_t, 14> reserved{};
    std::array<std::uint16_t, 16> column_bytes{64, 64, 64, 64, 64, 64, 64, 64};
    std::array<std::uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};

// Loads tiles 0 and 7, 1 KiB each, spins until `stop`, stores them.
[[gnu::noinline]] void hold_tiles(const unsigned char* from, unsigned char* to, const int& stop) {
    const TileConfig config;
    const std::uintptr_t stride = 64;
    asm volatile("ldtilecfg %3\n"
                 "tileloadd (%0,%4,1), %%tmm0\n tileloadd 1024(%0,%4,1), %%tmm7\n"
                 "1: cmpl $0, %2\n je 1b\n"
                 "tilestored %%tmm0, (%1,%4,1)\n tilestored %%tmm7, 1024(%1,%4,1)\n"
                 "tilerelease"
                 :
                 : "r"(from), "r"(to), "m"(stop), "m"(config), "r"(stride)
                 : "memory", "cc");
}

void registers_survive(std::size_t bytes, void (*hold)(const unsigned char*, unsigned char*, const int&)) {
    stop_often([bytes, hold](const int& stop) {
        const std::vector<unsigned char> before = pattern(bytes);
        std::vector<unsigned char> after(bytes);
        hold(before.data(), after.data(), stop);
        REEVE_EXPECT(after == before);
    });
}

}  // namespace

// Seen failing without SA_ONSTACK: the kernel found no room for the registers and ended the process with SIGSEGV.
TEST_CASE("stack: a fiber with 1 KiB of stack left is stopped like any other", "[hazards][stack]") {
    stop_often([](const int& stop) {
        const reeve::context::Stack stack = reeve::sched::current_worker()->current_fiber()->its_head().stack;
        const std::uintptr_t left = spin_with_little_stack(reinterpret_cast<std::uintptr_t>(stack.bottom), stop);
        REEVE_EXPECT(left > 0 && left <= k_left);
    });
}

// Seen failing with a handler that clears the registers in its frame.
TEST_CASE("stack: vector registers survive", "[hazards][stack]") {
    if (__builtin_cpu_supports("avx512f")) {
        registers_survive(32 * 64, hold_avx512);
    } else {
        WARN("without AVX-512, which this CPU lacks");
        registers_survive(3 * 16, hold_sse);
    }
}

// Seen failing with the tiles taken out of the handler's frame: SIGILL at the first use after that.
TEST_CASE("stack: tile registers survive", "[hazards][stack]") {
    if (!may_use_tiles()) {
        WARN("left out: this CPU or kernel has no tile registers, or an alternate stack is too small for them");
        return;
    }
    registers_survive(2 * 1024, hold_tiles);
}

// Seen failing without the alternate stack: the process died of SIGSEGV and said nothing.
TEST_CASE("stack: an overflow among fibers that are stopped is reported as such", "[hazards][stack]") {
    if (reeve::test::is_sanitized()) {
        WARN("left out under sanitizers: they catch the overflow themselves");
        return;
    }
    const reeve::test::ChildEnd end = reeve::test::run_child({reeve::test::crash_program("overflow_beside_hogs")});
    INFO(end.err);
    CHECK(end.signal == SIGABRT);
    for (const char* word : {"fatal", "'deep'", "overflowed its stack", "64 KB"})
        CHECK(end.err.find(word) != std::string::npos);
}
