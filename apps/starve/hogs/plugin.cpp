// starve-plugin.so: a library the hog `plugin` loads while the program runs; foreign code with a loop in it.
#include <cstdint>

extern "C" [[gnu::visibility("default")]] std::uint64_t starve_plugin_turn(std::uint64_t seed);

extern "C" std::uint64_t starve_plugin_turn(std::uint64_t seed) {
    for (std::uint64_t i = 0; i < 5'000'000; ++i) {
        seed = seed * 0xd1342543de82ef95ULL + i;
        asm volatile("" : "+r"(seed));
    }
    return seed;
}
