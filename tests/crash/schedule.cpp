// Explores schedules of what the argument names, and says what became of it: "SCHEDULES FAILURE" of the first failure, or the
// choices of a few schedules. Status 1 when a schedule failed.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"
#include "runtime/testing.hpp"

using namespace std::chrono_literals;
using reeve::testing::draw;
using reeve::testing::expect;

namespace {

void lose_updates() {
    int count = 0;
    reeve::Scope scope;
    for (int f = 0; f < 3; ++f)
        scope.spawn([&] {
            const int seen = count;
            if (draw(8) == 0) reeve::testing::point();
            count = seen + 1;
        });
    (void)scope.wait();
    expect(count == 3, "an update is lost");
}

// Channels, selects, timers, cancellation: whatever might depend on an address, or on the time.
void mix() {
    // Memory of other sizes each time, so that nothing lies where it lay before.
    static std::vector<std::vector<char>> s_clutter;
    s_clutter.emplace_back(s_clutter.size() * 97 % 1000 + 1);
    const reeve::Channel<int> channels[3] = {reeve::Channel<int>(0), reeve::Channel<int>(1), reeve::Channel<int>(2)};
    reeve::Scope scope;
    for (int f = 0; f < 3; ++f)
        scope.spawn([&, f] {
            for (int i = 0; i < 4; ++i)
                reeve::select(on_send(channels[f], i, [] {}), on_send(channels[(f + 1) % 3], i, [] {}),
                              on_recv(channels[(f + 2) % 3], [](auto) {}),
                              reeve::on_deadline(std::chrono::microseconds(draw(5)), [] {}));
        });
    (void)scope.wait(10us);
    scope.cancel();
}

int report(const reeve::testing::Explored& explored) {
    std::printf("%llu %s\n", static_cast<unsigned long long>(explored.schedules), explored.failure.c_str());
    return explored.failure.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string kind = argc > 1 ? argv[1] : "";
    if (kind == "lost") return report(reeve::testing::explore({}, lose_updates));
    if (kind == "traces") {
        for (const std::uint64_t seed : {1U, 17U, 1U, 4711U, 17U})
            std::printf("%llx\n", static_cast<unsigned long long>(reeve::testing::run_seeded(seed, mix).trace));
        return 0;
    }
    if (kind == "abort")
        return report(reeve::testing::explore({}, [] {
            if (draw(20) == 0) std::abort();
        }));
    if (kind == "throw")
        return report(reeve::testing::explore({}, [] {
            reeve::go({.name = "thrower"}, [] { throw std::runtime_error("in a fiber of its own"); });
        }));
    return 2;
}
