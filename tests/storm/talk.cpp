// Channels, a mutex, sleeping and blocking calls.
#include "tests/storm/talk.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cinttypes>
#include <mutex>
#include <vector>

#include "apps/starve/hogs/work.hpp"
#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {
namespace {

constexpr unsigned k_producers = 3;
constexpr unsigned k_consumers = 2;
constexpr unsigned k_numbers = 32;  // bits of a message that count it; the others name its producer

struct Tally {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;

    void add(std::uint64_t value) {
        ++count;
        sum += starve::hogs::mix(value);
    }
    void add(const Tally& other) {
        count += other.count;
        sum += other.sum;
    }
};

Tally produce(Storm& storm, Team& team, const Channel<std::uint64_t>& channel, std::uint64_t producer, Chance chance) {
    Tally tally;
    while (!storm.is_over()) {
        const std::uint64_t message = producer << k_numbers | tally.count;
        if (!channel.send(message)) storm.fail("channels: message not sent");
        tally.add(message);
        ++team.steps;
        if (chance.below(32) == 0) sleep_for(std::chrono::microseconds(chance.below(500)));
    }
    return tally;
}

Tally consume(Storm& storm, const Channel<std::uint64_t>& channel) {
    Tally tally;
    std::array<std::uint64_t, k_producers> next{};
    for (const std::uint64_t message : channel) {
        tally.add(message);
        // Others take some in between, but what one consumer sees of one producer is in order.
        std::uint64_t& least = next[message >> k_numbers];
        const std::uint64_t number = message & ((std::uint64_t{1} << k_numbers) - 1);
        if (number < least) storm.fail("channels: message %" PRIu64 " after %" PRIu64, number, least);
        least = number + 1;
    }
    return tally;
}

void talk_in_channel(Storm& storm, Team& team, std::size_t capacity) {
    const Channel<std::uint64_t> channel(capacity);
    std::vector<Join<Tally>> producers;
    std::vector<Join<Tally>> consumers;
    for (std::uint64_t i = 0; i < k_producers; ++i)
        producers.push_back(spawn({.name = "producer"}, [&, i] {
            return produce(storm, team, channel, i, storm.chance(2000 + capacity * k_producers + i));
        }));
    for (unsigned i = 0; i < k_consumers; ++i)
        consumers.push_back(spawn({.name = "consumer"}, [&] { return consume(storm, channel); }));
    Tally sent;
    Tally received;
    for (auto& join : producers) sent.add(join.join());
    channel.close();
    for (auto& join : consumers) received.add(join.join());
    if (sent.count != received.count || sent.sum != received.sum)
        storm.fail("channels: %" PRIu64 " messages sent, %" PRIu64 " received (capacity %zu)", sent.count, received.count,
                   capacity);
}

}  // namespace

void talk_in_channels(Storm& storm, Team& team) {
    std::vector<Join<void>> joins;
    for (const std::size_t capacity : {0U, 1U, 16U})
        joins.push_back(spawn({.name = "channel"}, [&, capacity] { talk_in_channel(storm, team, capacity); }));
    for (auto& join : joins) join.join();
}

void count_under_mutex(Storm& storm, Team& team) {
    Mutex mutex;
    std::uint64_t counted = 0;  // under the mutex
    bool is_inside = false;     // under the mutex
    const auto count = [&](Chance chance) {
        std::uint64_t own = 0;
        while (!storm.is_over()) {
            {
                const std::lock_guard guard(mutex);
                if (std::exchange(is_inside, true)) storm.fail("mutex: two are inside");
                const std::uint64_t before = counted;
                const std::uint64_t choice = chance.below(16);
                if (choice == 0) this_fiber::yield();
                if (choice == 1) sleep_for(100us);
                if (choice < 4) starve::hogs::keep(starve::hogs::compute(before, chance.below(200'000)));
                counted = before + 1;
                is_inside = false;
            }
            ++own;
            ++team.steps;
            if (chance.below(4) == 0) sleep_for(std::chrono::microseconds(chance.below(400)));
        }
        return own;
    };
    std::vector<Join<std::uint64_t>> joins;
    for (std::uint64_t i = 0; i < 6; ++i)
        joins.push_back(spawn({.name = "counter"}, [&, i] { return count(storm.chance(3000 + i)); }));
    std::uint64_t sum = 0;
    for (auto& join : joins) sum += join.join();
    if (sum != counted) storm.fail("mutex: counted to %" PRIu64 " instead of %" PRIu64, counted, sum);
}

void sleep_and_block(Storm& storm, Team& team) {
    const auto rest = [&](Chance chance) {
        while (!storm.is_over()) {
            const auto nap = std::chrono::microseconds(chance.below(3'000));
            const std::int64_t from_ns = now_ns();
            if (chance.below(4) == 0) {
                // The kernel may end it early for a signal: only that it comes back is certain.
                (void)blocking([&] { return ::usleep(static_cast<useconds_t>(nap.count())); });
            } else {
                if (!sleep_for(nap)) storm.fail("sleepers: not slept");
                if (now_ns() - from_ns < Duration(nap).count()) storm.fail("sleepers: back too early");
            }
            ++team.steps;
        }
    };
    std::vector<Join<void>> joins;
    for (std::uint64_t i = 0; i < 8; ++i)
        joins.push_back(spawn({.name = "sleeper"}, [&, i] { rest(storm.chance(4000 + i)); }));
    for (auto& join : joins) join.join();
}

}  // namespace reeve::storm
