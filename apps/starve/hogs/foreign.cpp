// Hogs in code that the program did not have when it started: generated machine code, and a library loaded later.
#include <dlfcn.h>
#include <sys/mman.h>
#include <array>
#include <cstdio>
#include <cstring>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

namespace reeve::starve::hogs {
namespace {

using Generated = std::uint64_t (*)(std::uint64_t value, std::uint64_t rounds);

// x86-64: rounds times value = value * 0x41c64e6d + 0x3039. No frame, no unwind information.
constexpr std::array<unsigned char, 23> k_code{
    0x48, 0x89, 0xf8,                          //       mov  rax, rdi
    0x48, 0x69, 0xc0, 0x6d, 0x4e, 0xc6, 0x41,  // loop: imul rax, rax, 0x41c64e6d
    0x48, 0x05, 0x39, 0x30, 0x00, 0x00,        //       add  rax, 0x3039
    0x48, 0xff, 0xce,                          //       dec  rsi
    0x75, 0xee,                                //       jnz  loop
    0xc3,                                      //       ret
    0xcc,                                      //       never reached
};

// The same in C++: what the generated code must come to.
std::uint64_t as_compiled(std::uint64_t value, std::uint64_t rounds) {
    for (std::uint64_t i = 0; i < rounds; ++i) value = value * 0x41c64e6d + 0x3039;
    return value;
}

}  // namespace

std::uint64_t turn_jit(std::uint64_t seed) {
    constexpr std::uint64_t k_rounds = 10 * k_rounds_per_ms;
    void* memory = mmap(nullptr, k_code.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return broken("jit: no memory");
    std::memcpy(memory, k_code.data(), k_code.size());
    if (mprotect(memory, k_code.size(), PROT_READ | PROT_EXEC) != 0) return broken("jit: memory cannot be made executable");
    const std::uint64_t result = reinterpret_cast<Generated>(memory)(seed, k_rounds);
    munmap(memory, k_code.size());
    return result == as_compiled(seed, k_rounds) ? result : broken("jit: another result than the compiled loop");
}

std::uint64_t turn_plugin(std::uint64_t seed) {
    // Found by the run path of the program. Loaded and given up anew each time, so that code comes and goes while others
    // are preempted.
    void* library = dlopen("starve-plugin.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) return broken(dlerror());
    using Turn = std::uint64_t (*)(std::uint64_t seed);
    const auto turn = reinterpret_cast<Turn>(dlsym(library, "starve_plugin_turn"));
    const std::uint64_t result = turn ? turn(seed) : broken("plugin: a library without the function");
    dlclose(library);
    return result;
}

}  // namespace reeve::starve::hogs
