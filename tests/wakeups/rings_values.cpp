// Channels, select, things that open once, pipes and tickers.
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/wakeups/crew.hpp"
#include "tests/wakeups/rings.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {
namespace {

constexpr std::size_t k_members = 4;
constexpr std::size_t k_tokens = 2;

bool has_given_up(const Error& error) { return error == Errc::timed_out || error == Errc::cancelled; }

// Tokens that count how often they were passed on. Once the storm is over they come home.
class Tokens {
public:
    void passed() { passes_.fetch_add(1, std::memory_order_relaxed); }
    // True: that was the last one.
    bool came_home(std::uint64_t count) {
        sum_.fetch_add(count);
        return home_.fetch_add(1) + 1 == k_tokens;
    }
    void check(Storm& storm, const Team& team) const {
        if (home_ != k_tokens || sum_ != passes_)
            storm.fail("%s: %zu tokens were passed on %" PRIu64 " times, but count %" PRIu64, team.name.c_str(), home_.load(),
                       passes_.load(), sum_.load());
    }

private:
    std::atomic<std::uint64_t> passes_{0};
    std::atomic<std::uint64_t> sum_{0};
    std::atomic<std::size_t> home_{0};
};

}  // namespace

// Round and round, from each member to the next.
void pass_tokens(Storm& storm, Team& team) {
    std::vector<Channel<std::uint64_t>> channels;
    for (std::size_t i = 0; i < k_members; ++i) channels.emplace_back(i % 2);
    Tokens tokens;
    Crew crew(storm, team);
    for (std::size_t i = 0; i < k_members; ++i)
        crew.add([&, i](Member& self) {
            const auto& from = channels[i];
            const auto& to = channels[(i + 1) % k_members];
            for (;;) {
                const auto token = self.wait([&](Deadline deadline) { return from.recv(deadline); });
                if (!token && token.error() == Errc::closed) return;
                if (!token) continue;
                if (self.is_over()) {
                    if (tokens.came_home(*token))
                        for (const auto& channel : channels) channel.close();
                    continue;
                }
                self.dawdle();
                while (!self.wait([&](Deadline deadline) { return to.send(*token + 1, deadline); })) continue;
                tokens.passed();
                self.step();
            }
        });
    for (std::size_t i = 0; i < k_tokens; ++i) (void)channels[2 * i].send(0);
    crew.join();
    tokens.check(storm, team);
}

// To whoever takes it.
void select_tokens(Storm& storm, Team& team) {
    const Channel<std::uint64_t> left;
    const Channel<std::uint64_t> right(1);
    const Channel<bool> over;
    Tokens tokens;
    Crew crew(storm, team);
    for (std::size_t i = 0; i < k_members; ++i)
        crew.add([&](Member& self) {
            for (bool is_open = true; is_open;) {
                std::optional<std::uint64_t> token;
                const auto take = [&](Result<std::uint64_t> value) {
                    if (value) token = *value;
                };
                self.wait([&](Deadline deadline) {
                    return select(on_recv(left, take), on_recv(right, take), on_recv(over, [&](Result<bool> value) {
                                      if (value.error() == Errc::closed) is_open = false;
                                  }),
                                  on_deadline(deadline, [] {}));
                });
                if (!token) continue;
                if (self.is_over()) {
                    if (tokens.came_home(*token)) over.close();
                    continue;
                }
                self.dawdle();
                bool is_sent = false;
                const auto sent = [&](Result<void> result) { is_sent = result.has_value(); };
                while (!is_sent)
                    self.wait([&](Deadline deadline) {
                        return select(on_send(left, *token + 1, sent), on_send(right, *token + 1, sent),
                                      on_deadline(deadline, [] {}));
                    });
                tokens.passed();
                self.step();
            }
        });
    for (std::size_t i = 0; i < k_tokens; ++i) (void)left.send(0);
    crew.join();
    tokens.check(storm, team);
}

// A leader makes something that opens once, and all follow it; all must have got through before it makes the next.
void tell_by_rounds(Storm& storm, Team& team) {
    struct Round {
        std::uint64_t sort;
        Event event;
        Latch latch{1};
        WaitGroup group;
        Once once;
        Promise<std::uint64_t> promise;
        CancelSource source;
        std::atomic<int> runs{0};
    };
    std::vector<Channel<std::shared_ptr<Round>>> told(k_members);
    Semaphore done(0);
    Crew crew(storm, team);
    for (std::size_t i = 0; i < k_members; ++i)
        crew.add([&, i](Member& self) {
            for (const auto& round : told[i]) {
                const auto wait = [&](Deadline deadline) -> Result<void> {
                    switch (round->sort) {
                        case 0: return round->event.wait(deadline);
                        case 1: return round->latch.wait(deadline);
                        case 2: return round->group.wait(deadline);
                        case 3: return round->once.call([&] { ++round->runs, this_fiber::yield(); }, deadline);
                        case 4: return round->promise.get_future().wait(deadline);
                        default: return round->source.token().wait(deadline);
                    }
                };
                while (!self.wait(wait)) continue;
                self.step();
                done.release();
            }
        });
    crew.add([&](Member& self) {
        while (!self.is_over()) {
            const auto round = std::make_shared<Round>();
            round->sort = self.below(6);
            round->group.add();
            for (const auto& channel : told) (void)channel.send(round);
            self.dawdle();
            switch (round->sort) {
                case 0: round->event.set(); break;
                case 1: round->latch.count_down(); break;
                case 2: round->group.done(); break;
                case 3: break;  // they open it themselves
                case 4: round->promise.set_value(7U); break;
                default: round->source.cancel();
            }
            while (!self.wait([&](Deadline deadline) { return done.acquire(k_members, deadline); })) continue;
            if (round->sort == 3 && round->runs != 1) storm.fail("once: run %d times", round->runs.load());
        }
        for (const auto& channel : told) channel.close();
    });
    crew.join();
    if (done.available() != 0) storm.fail("rounds: %zu more got through than were there", done.available());
}

// A number there and back, byte by byte; then one end is closed while the other reads.
void talk_through_pipes(Storm& storm, Team& team) {
    std::array<std::array<Fd, 2>, 2> pipes;
    for (auto& ends : pipes) {
        int numbers[2];
        if (::pipe2(numbers, O_NONBLOCK | O_CLOEXEC) != 0) return storm.fail("pipe: none to be had");
        ends = {Fd(numbers[0]), Fd(numbers[1])};
    }
    std::array<std::uint64_t, 2> moved{};
    Crew crew(storm, team);
    // A plain thread does not hear of close(), and its reads are not woken by fibers but by the kernel: so only fibers.
    const auto talk = [&](Member& self, std::size_t side) {
        Fd& from = pipes[side][0];
        Fd& to = pipes[1 - side][1];
        std::byte one{};
        for (bool is_first = side == 0;; is_first = false) {
            if (!is_first) {
                const auto got = self.wait([&](Deadline deadline) { return from.read(std::span(&one, 1), deadline); });
                if (!got && has_given_up(got.error())) continue;
                if (!got) return;
                if (one != static_cast<std::byte>(moved[side]++)) storm.fail("pipe: not the byte that was sent");
            }
            if (self.is_over()) {
                for (auto& ends : pipes) ends[0].close();
                return;
            }
            one = static_cast<std::byte>(moved[side] - (side == 0 ? 0 : 1));
            for (;;) {
                const auto put = self.wait([&](Deadline deadline) { return to.write(std::span<const std::byte>(&one, 1), deadline); });
                if (put) break;
                if (!has_given_up(put.error())) return;
            }
            self.step();
        }
    };
    crew.add([&](Member& self) { talk(self, 0); });
    crew.add([](Member&) {});
    crew.add([&](Member& self) { talk(self, 1); });
    crew.join();
    if (moved[1] - moved[0] > 1) storm.fail("pipe: %" PRIu64 " there, %" PRIu64 " back", moved[1], moved[0]);
}

void listen_to_tickers(Storm& storm, Team& team) {
    Crew crew(storm, team);
    for (std::size_t i = 0; i < 3; ++i)
        crew.add([&](Member& self) {
            const Ticker ticker(std::chrono::microseconds(100 + self.below(1'000)));
            std::uint64_t last = 0;
            while (!self.is_over()) {
                const auto heard = [&](Result<Tick> tick) {
                    if (!tick) return;
                    if (tick->number <= last) storm.fail("ticker: tick %" PRIu64 " after %" PRIu64, tick->number, last);
                    last = tick->number;
                };
                const auto instant = Deadline(std::chrono::microseconds(self.below(2'000)));
                self.wait([&](Deadline deadline) {
                    return select(on_recv(ticker, heard), on_recv(after(instant), [](auto&&) {}), on_deadline(deadline, [] {}));
                });
                self.step();
            }
        });
}

}  // namespace reeve::storm
