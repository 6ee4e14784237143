// Waits, in the way that the argument names. The first kinds are deadlocks, which the runtime must tell of; with the others
// something is left that wakes main after a third of a second, some thirty times what the runtime needs to look. They end
// with status 0. SIGALRM ends whatever goes on too long.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace {

constexpr unsigned k_later_us = 300'000;

// A process of its own, so that this one has no further thread.
void later(void (*act)(int), int number) {
    if (::fork() != 0) return;
    ::usleep(k_later_us);
    act(number);
    ::_exit(0);
}

[[noreturn]] void wait_for_ever() {
    const reeve::Channel<int> never;
    (void)never.recv();
    std::abort();
}

// --- deadlocks

void on_channel() { wait_for_ever(); }

void on_mutex() {
    static reeve::Mutex first;
    static reeve::Mutex second;
    static reeve::Latch both_locked(2);
    const auto lock_both = [](reeve::Mutex& mine, reeve::Mutex& other) {
        mine.lock();
        both_locked.count_down();
        (void)both_locked.wait();
        other.lock();
    };
    auto left = reeve::spawn({.name = "left"}, [&] { lock_both(first, second); });
    auto right = reeve::spawn({.name = "right"}, [&] { lock_both(second, first); });
    left.join();
    right.join();
}

void on_join_cycle() {
    static std::optional<reeve::Join<void>> joins[2];
    static reeve::Latch both_made(1);
    for (int i = 0; i < 2; ++i) {
        joins[i] = reeve::spawn({.name = i == 0 ? "left" : "right"}, [i] {
            (void)both_made.wait();
            joins[1 - i]->join();
        });
    }
    both_made.count_down();
    wait_for_ever();
}

void on_thread_of_its_own() {
    const reeve::PinToThread pin;
    wait_for_ever();
}

// What has ended, and the kernel's threads that worked on requests, wake nobody.
void after_work() {
    std::thread([] {}).join();
    reeve::blocking([] { ::usleep(1000); });
    (void)reeve::File::open("/proc/self/exe");
    (void)reeve::sleep_for(1ms);
    wait_for_ever();
}

// --- something is left

void beside_sleeper() {
    const reeve::Channel<int> channel;
    reeve::go([channel] {
        (void)reeve::sleep_for(std::chrono::microseconds(k_later_us));
        (void)channel.send(1);
    });
    (void)channel.recv();
}

void beside_blocking() {
    const reeve::Channel<int> channel;
    reeve::go([channel] {
        reeve::blocking([] { ::usleep(k_later_us); });
        (void)channel.send(1);
    });
    (void)channel.recv();
}

void beside_system_call() {
    const reeve::Channel<int> channel;
    reeve::go([channel] {
        ::usleep(k_later_us);
        (void)channel.send(1);
    });
    (void)channel.recv();
}

void beside_thread() {
    const reeve::Channel<int> channel;
    std::thread thread([channel] {
        ::usleep(k_later_us);
        (void)channel.send(1);
    });
    (void)channel.recv();
    thread.join();
}

void beside_socket() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
    later([](int end) { (void)!::write(end, "x", 1); }, ends[1]);
    reeve::Fd mine(ends[0]);
    std::byte byte;
    if (!mine.recv(std::span(&byte, 1))) std::abort();
}

void beside_listener() {
    reeve::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), bytes) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
        std::abort();
    later(
        [](int port) {
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            to.sin_port = static_cast<in_port_t>(port);
            (void)::connect(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<sockaddr*>(&to), sizeof to);
        },
        address.sin_port);
    if (!listener.accept()) std::abort();
}

void beside_signal_channel() {
    reeve::SignalChannel signals({SIGUSR1});
    later([](int parent) { ::kill(parent, SIGUSR1); }, ::getpid());
    if (!signals.recv()) std::abort();
}

void beside_handler() {
    std::signal(SIGUSR1, [](int) { ::_exit(0); });
    later([](int parent) { ::kill(parent, SIGUSR1); }, ::getpid());
    wait_for_ever();
}

// Main is woken again and again about when the runtime looks, each time by what has nothing more to do then.
void beside_short_lives() {
    std::uint32_t chance = 1;
    for (int round = 0; round < 300; ++round) {
        chance = chance * 1664525 + 1013904223;
        const unsigned pause_us = 500 + (chance >> 16) % 2000;
        const reeve::Channel<int> channel;
        const auto act = [channel, pause_us] {
            ::usleep(pause_us);
            (void)channel.send(1);
        };
        if (round % 3 == 0) std::thread(act).detach();
        if (round % 3 == 1) reeve::go(act);
        if (round % 3 == 2)
            reeve::go([channel, pause_us] {
                (void)reeve::sleep_for(std::chrono::microseconds(pause_us));
                (void)channel.send(1);
            });
        (void)channel.recv();
    }
}

// The others are cancelled then.
void main_returns() {
    for (int i = 0; i < 100; ++i) reeve::go({.name = "left behind"}, [] { (void)reeve::Channel<int>().recv(); });
    (void)reeve::sleep_for(std::chrono::microseconds(k_later_us));
}

// Nor does what is left at the end of run() go on, but main is over: it is named, and the program ends as it wants to.
void main_leaves() {
    static reeve::Mutex mutex;
    static reeve::Latch is_running(1);
    mutex.lock();
    reeve::go({.name = "left"}, [] {
        is_running.count_down();
        mutex.lock();
    });
    (void)is_running.wait();
}

struct Kind {
    const char* name;
    void (*run)();
};

constexpr Kind k_kinds[] = {
    {"channel", on_channel},
    {"mutex", on_mutex},
    {"join-cycle", on_join_cycle},
    {"pinned", on_thread_of_its_own},
    {"after-work", after_work},
    {"sleeper", beside_sleeper},
    {"blocking", beside_blocking},
    {"system-call", beside_system_call},
    {"thread", beside_thread},
    {"socket", beside_socket},
    {"listener", beside_listener},
    {"signal-channel", beside_signal_channel},
    {"handler", beside_handler},
    {"short-lives", beside_short_lives},
    {"main-returns", main_returns},
    {"main-leaves", main_leaves},
};

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    ::alarm(count > 2 ? static_cast<unsigned>(std::atoi(arguments[2])) : 30);
    const std::string wanted = arguments[1];
    for (const Kind& kind : k_kinds) {
        if (wanted == kind.name) return reeve::run([&] { kind.run(); });
    }
    return 2;
}
