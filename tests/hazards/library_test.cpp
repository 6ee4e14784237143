// The C library under forced preemption every 100 us: malloc, stdio and containers, used by more fibers than there are
// workers, for a bounded time. Freed memory is overwritten, and all that was stored or printed is read back.
//
// Seen failing with a handler that switches to another fiber where it stands: SIGSEGV in malloc within milliseconds.
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/hazards/hogs.hpp"

using namespace std::chrono_literals;

namespace {

constexpr std::int64_t k_duration_ns = 700'000'000;  // for each number of workers

// While it lives, freed memory is overwritten (not by the sanitizers' allocators, which have better means).
struct Perturbed {
    Perturbed() { ::mallopt(M_PERTURB, 0xa5); }
    ~Perturbed() { ::mallopt(M_PERTURB, 0); }
    Perturbed(const Perturbed&) = delete;
    Perturbed& operator=(const Perturbed&) = delete;
};

class Random {
public:
    explicit Random(unsigned seed) : state_(seed * 2654435761U | 1U) {}
    unsigned next(unsigned below) {
        state_ = state_ * 1664525U + 1013904223U;
        return (state_ >> 8) % below;
    }

private:
    unsigned state_;
};

// Blocks of all sizes, each filled with its number, and checked when it is freed.
long churn_blocks(unsigned seed, std::int64_t until) {
    Random random(seed);
    struct Block {
        std::unique_ptr<unsigned char[]> bytes;
        std::size_t count = 0;
    };
    std::array<Block, 64> blocks;
    long turns = 0;
    for (; reeve::now_ns() < until; ++turns) {
        const unsigned index = random.next(64);
        Block& block = blocks[index];
        for (std::size_t i = 0; i < block.count; i += 7)
            if (!REEVE_EXPECT(block.bytes[i] == index)) return turns;
        block.count = random.next(16) == 0 ? random.next(200'000) + 1 : random.next(600) + 1;
        block.bytes.reset(new unsigned char[block.count]);
        std::memset(block.bytes.get(), static_cast<int>(index), block.count);
    }
    return turns;
}

long churn_map(unsigned seed, std::int64_t until) {
    Random random(seed);
    std::map<unsigned, std::string> map;
    long turns = 0;
    for (; reeve::now_ns() < until; ++turns) {
        const unsigned key = random.next(500);
        if (const auto found = map.find(key); found == map.end()) {
            map.emplace(key, std::to_string(key) + std::string(key % 100, 'x'));
        } else {
            if (!REEVE_EXPECT(found->second == std::to_string(key) + std::string(key % 100, 'x'))) return turns;
            map.erase(found);
        }
    }
    return turns;
}

// A file of its own, opened, written, closed, read back, over and over; and now and then a line into the shared one.
long churn_files(unsigned seed, std::int64_t until, std::FILE* shared, std::atomic<long>& shared_lines) {
    std::string path = "/tmp/reeve-hazard-XXXXXX";
    const int fd = ::mkstemp(path.data());
    if (!REEVE_EXPECT(fd >= 0)) return 0;
    ::close(fd);
    long turns = 0;
    for (; reeve::now_ns() < until; ++turns) {
        std::FILE* out = std::fopen(path.c_str(), "we");
        for (int line = 0; line < 200; ++line) std::fprintf(out, "%u %ld %d %s\n", seed, turns, line, "the same words");
        std::fclose(out);
        std::FILE* in = std::fopen(path.c_str(), "re");
        for (int line = 0; line < 200; ++line) {
            std::array<char, 128> text{};
            const bool is_read = std::fgets(text.data(), text.size(), in) != nullptr;
            const std::string expected =
                std::to_string(seed) + ' ' + std::to_string(turns) + ' ' + std::to_string(line) + " the same words\n";
            if (!REEVE_EXPECT(is_read && expected == text.data())) break;
        }
        std::fclose(in);
        std::fprintf(shared, "<%u %ld %s>\n", seed, turns, "a line of the file that all share");
        ++shared_lines;
    }
    ::unlink(path.c_str());
    return turns;
}

void expect_whole_lines(std::FILE* shared, long lines) {
    std::rewind(shared);
    std::array<char, 128> text{};
    long whole = 0;
    while (std::fgets(text.data(), text.size(), shared)) {
        const std::string line(text.data());
        REEVE_EXPECT(line.starts_with('<') && line.ends_with(" a line of the file that all share>\n"));
        ++whole;
    }
    REEVE_EXPECT(whole == lines);
}

}  // namespace

TEST_CASE("library: malloc, stdio and containers under preemption everywhere", "[hazards][library]") {
    const Perturbed perturbed;
    reeve::test::run_everywhere(
        [] {
            std::FILE* shared = std::tmpfile();
            if (!REEVE_EXPECT(shared != nullptr)) return;
            std::atomic<long> shared_lines{0};
            const std::int64_t until = reeve::now_ns() + k_duration_ns;
            {
                const reeve::test::Hogs hogs(2);
                std::vector<reeve::Join<long>> fibers;
                for (unsigned fiber = 0; fiber < 4; ++fiber) {
                    fibers.push_back(reeve::spawn([fiber, until] { return churn_blocks(fiber, until); }));
                    fibers.push_back(reeve::spawn([fiber, until] { return churn_map(100 + fiber, until); }));
                    fibers.push_back(reeve::spawn([fiber, until, shared, &shared_lines] {
                        return churn_files(200 + fiber, until, shared, shared_lines);
                    }));
                }
                for (auto& fiber : fibers) REEVE_EXPECT(fiber.join() > 0);
            }
            expect_whole_lines(shared, shared_lines.load());
            std::fclose(shared);
        },
        reeve::test::short_slices);
}
