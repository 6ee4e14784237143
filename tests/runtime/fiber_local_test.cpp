// FiberLocal, labels, names: per fiber, destroyed in time, inherited where they should be.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Channel;
using reeve::FiberLocal;
using reeve::Labels;

namespace {

std::atomic<int> s_alive{0};
std::atomic<int> s_made{0};

struct Counted {
    Counted() {
        ++s_alive;
        ++s_made;
    }
    ~Counted() {
        (void)reeve::sleep_for(100us);  // waiting is allowed
        --s_alive;
    }
    int value = 0;
};

std::string text_of(const Labels& labels) {
    std::string text;
    for (const auto& [key, value] : labels) text += key + "=" + value + ";";
    return text;
}

std::string dump_text() {
    int ends[2];
    if (::pipe(ends) != 0) return "";
    reeve::dump(ends[1]);
    ::close(ends[1]);
    std::string text;
    char buffer[4096];
    for (;;) {
        const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    return text;
}

}  // namespace

// Seen failing with the values looked up without comparing the id.
REEVE_TEST("fiber local: each fiber has its own, made on first use, across parks", "[fiber_local]") {
    s_made = 0;
    static FiberLocal<Counted> s_first;
    const FiberLocal<std::string> second;
    std::vector<reeve::Join<bool>> joins;
    for (int i = 0; i < 50; ++i)
        joins.push_back(reeve::spawn([i, &second] {
            if (i % 2 == 0) return true;
            s_first->value = i;
            *second = std::to_string(i);
            (void)reeve::sleep_for(std::chrono::microseconds(i * 10));
            return s_first->value == i && *second == std::to_string(i);
        }));
    for (auto& join : joins) REEVE_EXPECT(join.join());
    REEVE_EXPECT(s_made.load() == 25);
    REEVE_EXPECT(s_alive.load() == 0);  // join() comes after: seen failing with finish() not dropping them
}

REEVE_TEST("fiber local: destroyed before the end of a scope, and after a fiber of go", "[fiber_local]") {
    const FiberLocal<Counted> local;
    {
        reeve::Scope scope;
        for (int i = 0; i < 10; ++i) scope.spawn([&] { local->value = 1; });
    }
    REEVE_EXPECT(s_alive.load() == 0);
    reeve::gather([&] { local->value = 1; });
    REEVE_EXPECT(s_alive.load() == 0);
    const Channel<int> used;
    reeve::go([&local, used] {
        local->value = 1;
        (void)used.send(1);
    });
    REEVE_EXPECT(used.recv());
    for (int i = 0; i < 10'000 && s_alive.load() != 0; ++i) (void)reeve::sleep_for(100us);
    REEVE_EXPECT(s_alive.load() == 0);
}

REEVE_TEST("fiber local: the youngest goes first, and destructors may use others", "[fiber_local]") {
    static std::string s_order;
    static FiberLocal<std::string> s_helper;
    struct First {
        ~First() { s_order += "1" + *s_helper; }
    };
    struct Second {
        ~Second() {
            s_order += "2";
            *s_helper = "h";
        }
    };
    s_order.clear();
    const FiberLocal<First> first;
    const FiberLocal<Second> second;
    reeve::spawn([&] {
        (void)*first;
        (void)*second;
    }).join();
    REEVE_EXPECT(s_order == "21");  // the helper was made anew by the second's, and was gone before the first's made another
}

REEVE_TEST("fiber local: a plain thread has its own until it ends", "[fiber_local]") {
    static FiberLocal<Counted> s_local;
    std::atomic<int> value{0};
    std::thread thread([&] {
        s_local->value = 3;
        (void)reeve::sleep_for(1ms);
        value = s_local->value;
    });
    reeve::blocking([&] { thread.join(); });
    REEVE_EXPECT(value.load() == 3);
    REEVE_EXPECT(s_alive.load() == 0);
}

// Seen failing with create() not passing them on.
REEVE_TEST("labels: inherited by every fiber below, a key given again replaces", "[labels]") {
    using reeve::this_fiber::labels;
    REEVE_EXPECT(labels().empty());
    const auto text = reeve::spawn({.name = "server", .labels = {{"request", "7"}, {"tenant", "a"}}}, [] {
        const auto inherited = reeve::spawn([] { return text_of(labels()); }).join();
        std::string changed;
        std::string in_scope;
        {
            reeve::Scope scope;
            scope.spawn({.name = "child", .labels = {{"tenant", "b"}, {"step", "1"}}}, [&] {
                changed = text_of(labels());
                in_scope = std::get<0>(reeve::gather([] { return text_of(labels()); }));
            });
        }
        REEVE_EXPECT(inherited == "request=7;tenant=a;");
        REEVE_EXPECT(changed == "request=7;tenant=b;step=1;");
        REEVE_EXPECT(in_scope == changed);
        return text_of(labels());
    }).join();
    REEVE_EXPECT(text == "request=7;tenant=a;");
}

REEVE_TEST("names: inherited by fibers without one, but for that of main", "[labels]") {
    using reeve::this_fiber::name;
    REEVE_EXPECT(name() == "main");
    REEVE_EXPECT(reeve::spawn([] { return std::string(name()); }).join() == "");
    reeve::spawn({.name = "parent"}, [] {
        REEVE_EXPECT(reeve::spawn([] { return std::string(name()); }).join() == "parent");
        REEVE_EXPECT(reeve::spawn({.name = "own"}, [] { return std::string(name()); }).join() == "own");
        reeve::this_fiber::set_name("renamed");
        REEVE_EXPECT(reeve::spawn([] { return std::string(name()); }).join() == "renamed");
    }).join();
}

// Seen failing, under AddressSanitizer, with the dump reading as many bytes of the name as one may have.
TEST_CASE("dump: a fiber that has not begun has no name", "[labels]") {
    reeve::test::run_everywhere(
        [] {
            const reeve::NoPreempt nobody_begins;
            auto waiting = reeve::spawn([] {});
            REEVE_EXPECT(dump_text().find("'' runnable") != std::string::npos);
            waiting.join();
        },
        [](reeve::Config& config) { config.workers = 1; });
}

// Seen failing with the dump leaving them out.
REEVE_TEST("labels: the dump shows them, while fibers come and go", "[labels]") {
    const Channel<int> gate;
    auto waiting = reeve::spawn({.name = "labelled", .labels = {{"request", "42"}, {"tenant", "x"}}}, [gate] { (void)gate.recv(); });
    auto coming = reeve::spawn({.labels = {{"round", "0"}}}, [] {
        while (!reeve::this_fiber::is_cancelled())
            reeve::spawn({.labels = {{"round", std::string(100, '1')}}}, [] { reeve::this_fiber::yield(); }).join();
    });
    std::string text;
    for (int i = 0; i < 5; ++i) {
        std::thread thread([&] { text = dump_text(); });
        reeve::blocking([&] { thread.join(); });
        REEVE_EXPECT(text.find("'labelled' [request=42 tenant=x]") != std::string::npos);
    }
    coming.cancel();
    gate.close();
    waiting.join();
}
