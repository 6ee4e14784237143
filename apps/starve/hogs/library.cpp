// Hogs that live in the C and C++ libraries: a thread that is stopped there holds locks and caches of everybody.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

namespace reeve::starve::hogs {
namespace {

// One stream for all: its lock is what they meet at.
std::FILE* nowhere() {
    static std::FILE* const s_stream = std::fopen("/dev/null", "we");
    return s_stream;
}

struct Block {
    unsigned char* bytes = nullptr;
    std::size_t size = 0;
    unsigned char mark = 0;

    [[nodiscard]] bool is_intact() const { return bytes[0] == mark && bytes[size - 1] == mark; }
};

struct CountsItsEnd {
    unsigned& ends;
    ~CountsItsEnd() { ++ends; }
};

// Throws through `depth` frames with something to destroy, caught and thrown again on the way.
void throw_from(unsigned depth, std::uint64_t value, unsigned& ends) {
    const CountsItsEnd guard{ends};
    if (depth == 0) throw std::runtime_error(std::to_string(value));
    try {
        throw_from(depth - 1, value, ends);
    } catch (const std::exception&) {
        if (std::uncaught_exceptions() != 0) throw std::logic_error("caught, and still counted");
        throw;
    }
}

}  // namespace

std::uint64_t turn_printf(std::uint64_t seed) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < 40'000 / k_slowness; ++i) {
        seed = mix(seed);
        const int bytes = std::fprintf(nowhere(), "still here: %llu %.3f %s\n", static_cast<unsigned long long>(seed),
                                       static_cast<double>(seed % 1000) / 7, "line");
        if (bytes < 0) return broken("printf: failed");
        sum = mix(sum ^ static_cast<std::uint64_t>(bytes));
    }
    return sum;
}

std::uint64_t turn_malloc(std::uint64_t seed) {
    std::array<Block, 64> blocks;
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < 100'000 / k_slowness; ++i) {
        seed = mix(seed);
        Block& block = blocks[seed % blocks.size()];
        if (block.bytes && !block.is_intact()) return broken("malloc: somebody wrote into a block that was ours");
        const std::size_t size = 1 + (seed >> 8) % ((seed >> 40) % 100 == 0 ? 200'000 : 3'000);
        if ((seed >> 32) % 4 == 0) {
            block.bytes = static_cast<unsigned char*>(std::realloc(block.bytes, size));
        } else {
            std::free(block.bytes);
            block.bytes = static_cast<unsigned char*>(std::malloc(size));
        }
        if (!block.bytes) return broken("malloc: no memory");
        block.size = size;
        block.mark = static_cast<unsigned char>(seed >> 24);
        block.bytes[0] = block.bytes[size - 1] = block.mark;
        sum = mix(sum ^ size);
    }
    for (const Block& block : blocks) {
        if (block.bytes && !block.is_intact()) return broken("malloc: somebody wrote into a block that was ours");
        std::free(block.bytes);
    }
    return sum;
}

std::uint64_t turn_exception(std::uint64_t seed) {
    constexpr unsigned k_depth = 3;
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < 1'500 / k_slowness; ++i) {
        seed = mix(seed);
        unsigned ends = 0;
        try {
            throw_from(k_depth, seed, ends);
        } catch (const std::runtime_error& error) {
            if (error.what() != std::to_string(seed)) return broken("exception: somebody else's text");
            sum = mix(sum ^ seed);
        } catch (const std::exception& error) {
            return broken(error.what());
        }
        if (ends != k_depth + 1 || std::current_exception()) return broken("exception: not unwound as it should be");
    }
    return sum;
}

}  // namespace reeve::starve::hogs
