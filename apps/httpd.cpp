// reeve-httpd PORT [WORKERS]: the reference server of the benchmarks, to be run beside the same server in
// other languages.
//
// Its handlers are what tests a scheduler: computing without end, blocking in the kernel, and ten thousand
// slow streams at once. Listens on 127.0.0.1. Everything else (preemption, quantum) comes from the
// environment: see runtime/config.hpp.
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.hpp"
#include "runtime/runtime.hpp"

namespace {

using reeve::http::Request;
using reeve::http::Response;

constexpr std::string_view k_hello = "Hello, World!";
constexpr int k_events = 50;
constexpr std::int64_t k_event_interval_ns = 100'000'000;
constexpr long k_churn_sleep_ns = 5'000'000;

// How often /stop was called: ends the loops that began before, and none that begins later.
std::atomic<std::uint64_t> stops{0};

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return {};
    return number;
}

// The instant at which `?ms=N` is over.
std::int64_t end_of(const Request& request) {
    const std::int64_t ms = parse_number(request.query("ms").value_or("")).value_or(0);
    return reeve::now_ns() + ms * 1'000'000;
}

void sleep_in_kernel(std::int64_t ns) {
    const timespec duration{ns / 1'000'000'000, ns % 1'000'000'000};
    ::nanosleep(&duration, nullptr);
}

// Nothing here is a point at which a runtime could step in by itself.
void spin(Request& request, Response& response) {
    const std::int64_t end_ns = end_of(request);
    const std::uint64_t stops_before = stops.load(std::memory_order_relaxed);
    while (reeve::now_ns() < end_ns && stops.load(std::memory_order_relaxed) == stops_before) {
    }
    response.text(200, "spun");
}

void block(Request& request, Response& response) {
    if (const std::int64_t left_ns = end_of(request) - reeve::now_ns(); left_ns > 0) sleep_in_kernel(left_ns);
    response.text(200, "blocked");
}

void churn(Request& request, Response& response) {
    const std::int64_t end_ns = end_of(request);
    const std::uint64_t stops_before = stops.load(std::memory_order_relaxed);
    while (reeve::now_ns() < end_ns && stops.load(std::memory_order_relaxed) == stops_before)
        sleep_in_kernel(k_churn_sleep_ns);
    response.text(200, "churned");
}

char* append(char* at, std::string_view text) { return at + text.copy(at, text.size()); }

void stream_events(Request&, Response& response) {
    // In this order: if the fiber is interrupted between the two clocks, events seem late rather than early.
    const std::int64_t start_epoch_us = std::chrono::duration_cast<std::chrono::microseconds>(
                                            std::chrono::system_clock::now().time_since_epoch())
                                            .count();
    const std::int64_t start_ns = reeve::now_ns();
    auto events = response.events();
    for (int i = 0; i < k_events; ++i) {
        const std::int64_t after_ns = (i + 1) * k_event_interval_ns;
        if (!reeve::sleep_until(reeve::Deadline::at_ns(start_ns + after_ns))) return;
        // Half a million of these a run: no allocation, and little stack below the parked send.
        std::array<char, 64> frame;
        char* const end = frame.data() + frame.size();
        char* at = append(frame.data(), "data: {\"i\":");
        at = std::to_chars(at, end, i).ptr;
        at = append(at, ",\"due\":");
        at = std::to_chars(at, end, start_epoch_us + after_ns / 1000).ptr;
        at = append(at, "}\n\n");
        if (!events.send_raw({frame.data(), static_cast<std::size_t>(at - frame.data())})) return;
    }
}

int serve(const std::string& address) {
    reeve::http::Server server;
    const auto hello = [](Request&, Response& response) { response.text(200, k_hello); };
    server.handle("GET", "/", hello);
    server.handle("GET", "/fast", hello);
    server.handle("GET", "/spin", spin);
    server.handle("GET", "/block", block);
    server.handle("GET", "/churn", churn);
    server.handle("GET", "/sse", stream_events);
    server.handle("/stop", [](Request&, Response& response) {
        stops.fetch_add(1, std::memory_order_relaxed);
        response.text(200, "stopped");
    });
    if (const auto listening = server.listen(address); !listening) {
        std::fprintf(stderr, "reeve-httpd: cannot listen on %s: %s\n", address.c_str(),
                     listening.error().text().c_str());
        return 1;
    }
    std::fprintf(stderr, "reeve-httpd: listening on 127.0.0.1:%u\n", unsigned{server.port()});
    return server.serve_until_signal() ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
    const auto port = argument_count >= 2 ? parse_number(arguments[1]) : std::nullopt;
    const auto workers = argument_count >= 3 ? parse_number(arguments[2]) : 0;
    if (argument_count > 3 || !port || *port < 0 || *port > 65535 || !workers || *workers < 0 ||
        *workers > 1024) {
        std::fputs("usage: reeve-httpd PORT [WORKERS]\n", stderr);
        return 2;
    }
    reeve::Config config = reeve::Config::from_env();
    if (*workers > 0) config.workers = static_cast<unsigned>(*workers);
    return reeve::run(config, [&] { return serve("127.0.0.1:" + std::to_string(*port)); });
}
