#include "tests/storm/turns.hpp"

#include <chrono>
#include <cinttypes>
#include <cstdio>

#include "apps/starve/hogs/work.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {
namespace {

constexpr unsigned k_fibers_per_kind = starve::hogs::k_slowness > 1 ? 2 : 3;
constexpr unsigned k_seeds_per_kind = 3;

// Why a kind is left out in this build, or null.
const char* reason_to_leave_out([[maybe_unused]] std::string_view name) {
#ifdef __SANITIZE_THREAD__
    // Both seen with plain threads, too (GCC 12).
    if (name == "static") return "ThreadSanitizer wakes nobody when the initialiser of a static variable fails";
    if (name == "plugin") return "ThreadSanitizer does not see the lock of the loader";
#endif
    return nullptr;
}

}  // namespace

Turns::Turns(Storm& storm, std::string_view only) : storm_(storm) {
    for (const starve::HogKind& hog : starve::hog_kinds()) {
        if (!std::string_view(hog.name).starts_with(only)) continue;
        if (const char* reason = reason_to_leave_out(hog.name)) {
            std::fprintf(stderr, "storm: %s left out: %s\n", hog.name, reason);
            continue;
        }
        Kind& kind = kinds_.emplace_back(Kind{hog, &storm.add_team(hog.name), {}});
        Chance chance = storm.chance(kinds_.size());
        for (unsigned i = 0; i < k_seeds_per_kind; ++i) {
            const std::uint64_t seed = chance.next();
            kind.expected.push_back({seed, hog.turn(seed)});
        }
    }
}

void Turns::start(std::vector<Join<void>>& joins) {
    reader_ = spawn({.name = "news reader"}, [this] {
        std::uint64_t sum = 0;
        for (const std::uint64_t checksum : news_) sum += checksum;
        return sum;
    });
    std::uint64_t part = 1000;
    for (const Kind& kind : kinds_) {
        kind.team->fibers += k_fibers_per_kind;
        for (unsigned i = 0; i < k_fibers_per_kind; ++i)
            joins.push_back(spawn({.name = kind.hog.name}, [this, &kind, chance = storm_.chance(++part)] {
                take_turns(kind, chance);
            }));
    }
}

void Turns::take_turns(const Kind& kind, Chance chance) {
    do {
        const Expected& expected = kind.expected[chance.below(kind.expected.size())];
        const std::uint64_t checksum = kind.hog.turn(expected.seed);
        if (checksum != expected.checksum)
            storm_.fail("%s: seed %" PRIx64 " came to %" PRIx64 " instead of %" PRIx64, kind.hog.name, expected.seed, checksum,
                        expected.checksum);
        ++kind.team->steps;
        switch (chance.below(4)) {
            case 0:
                this_fiber::yield();
                break;
            case 1:
                sleep_for(std::chrono::microseconds(chance.below(300)));
                break;
            case 2:
                sent_ += checksum;
                if (!news_.send(checksum)) storm_.fail("%s: news not sent", kind.hog.name);
                break;
            default:
                break;
        }
    } while (!storm_.is_over());
    --kind.team->fibers;
}

void Turns::finish() {
    news_.close();
    const std::uint64_t received = reader_->join();
    if (received != sent_) storm_.fail("news: %" PRIx64 " sent, %" PRIx64 " received", sent_.load(), received);
}

}  // namespace reeve::storm
