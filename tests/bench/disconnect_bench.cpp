// From a client's leaving to the end of the upstream's request: client -> gateway -> TLS -> gateway with the model.
//
// Everything is in one process, so that one clock tells: the client closes its connection at a known instant, and the
// second gateway's counter of cancelled requests is watched. Two phases: while the upstream has not sent a byte, and in
// the middle of a stream; each also while other streams run through both gateways.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "apps/gateway/gateway.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "net/tls.hpp"
#include "runtime/runtime.hpp"
#include "tests/support/bench.hpp"
#include "tests/support/certificates.hpp"

namespace {

using namespace std::chrono_literals;
using reeve::gateway::Forwarder;
using reeve::gateway::Gateway;

class Running {
public:
    Running(std::unique_ptr<Forwarder> forwarder, const reeve::net::TlsConfig* tls)
        : gateway_(1, *reeve::gateway::profile_of("default"), std::move(forwarder)) {
        gateway_.add_routes(server_);
        const auto listening = tls ? server_.listen_tls("127.0.0.1:0", *tls) : server_.listen("127.0.0.1:0");
        if (!listening) reeve::fatal("listen: %s", listening.error().text().c_str());
        url_ = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server_.port());
        server_.limits().drain_timeout = 100ms;
        serving_.emplace(reeve::spawn([this] { (void)server_.serve(); }));
    }
    ~Running() {
        server_.stop();
        serving_->join();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] const reeve::gateway::Counters& counters() const { return gateway_.counters(); }

private:
    Gateway gateway_;
    reeve::http::Server server_;
    std::string url_;
    std::optional<reeve::Join<void>> serving_;
};

constexpr const char* k_body =
    R"({"model":"reeve-sim-fast","stream":true,"messages":[{"role":"user","content":"Tell me about lighthouses."}]})";
// Of the streams that run meanwhile: 20 ms a token, as real ones do.
constexpr const char* k_busy_body =
    R"({"model":"reeve-sim","stream":true,"messages":[{"role":"user","content":"Tell me about lighthouses."}]})";

// Milliseconds from the close to the upstream's end.
double disconnect_once(reeve::http::Client& client, const Running& front, const Running& upstream, const char* fault) {
    const auto& counters = upstream.counters();
    const std::uint64_t requests = counters.requests.load();
    const std::uint64_t cancelled = counters.cancelled.load();
    const std::string url = front.url() + "/v1/chat/completions";
    const bool is_streaming = fault == std::string("stall");
    std::int64_t left_ns = 0;
    auto calling = reeve::spawn([&] {
        auto response = client.post(url, k_body, {{"X-Reeve-Fault", fault}});
        for (int frames = 0; is_streaming && response && frames < 4; ++frames) (void)response->next_event();
        left_ns = reeve::now_ns();
        if (response) response->close();
    });
    if (!is_streaming) {
        while (counters.requests.load() == requests) (void)reeve::sleep_for(200us);
        (void)reeve::sleep_for(5ms);  // well into the wait for the first byte
        left_ns = reeve::now_ns();
        calling.cancel();
    }
    // Looks, not time: a machine that was paused for a while is no failure.
    for (unsigned looks = 0; counters.cancelled.load() == cancelled; ++looks) {
        constexpr unsigned k_looks_max = 40'000;
        if (looks == k_looks_max) {
            reeve::dump(2);
            reeve::fatal("the upstream's request outlives its client (%s)", fault);
        }
        (void)reeve::sleep_for(50us);
    }
    const std::int64_t ended_ns = reeve::now_ns();
    calling.join();
    return static_cast<double>(ended_ns - left_ns) / 1e6;
}

// A gateway with the model, and one in front of it with TLS between them.
struct Chain {
    explicit Chain(reeve::test::Certificates& certificates) {
        const auto files = certificates.signed_for("IP:127.0.0.1");
        const auto tls = reeve::net::TlsConfig::server(
            {.certificate_file = files.certificate, .key_file = files.key, .alpn = {}});
        if (!tls) reeve::fatal("tls: %s", tls.error().text().c_str());
        upstream.emplace(nullptr, &*tls);
        auto forwarder = Forwarder::make({upstream->url(), "", certificates.authority()});
        if (!forwarder) reeve::fatal("forwarder: %s", forwarder.error().text().c_str());
        front.emplace(std::move(forwarder).value(), nullptr);
    }
    std::optional<Running> upstream;
    std::optional<Running> front;
};

void measure(const char* name, const char* fault, const Chain& chain, unsigned streams, std::uint64_t count) {
    reeve::http::Client client;
    std::vector<double> milliseconds;
    for (std::uint64_t i = 0; i < count; ++i)
        milliseconds.push_back(disconnect_once(client, *chain.front, *chain.upstream, fault));
    reeve::bench::Bench::report(name, {{"n", static_cast<double>(count)}, {"other_streams", streams}},
                                {{"p50_ms", reeve::bench::quantile(milliseconds, 0.5)},
                                 {"p99_ms", reeve::bench::quantile(milliseconds, 0.99)},
                                 {"max_ms", reeve::bench::quantile(milliseconds, 1)}});
}

// Streams one after the other until it is cancelled.
void stream_on(reeve::http::Client& client, const std::string& url) {
    for (;;) {
        auto response = client.post(url, k_busy_body);
        if (!response) return;
        for (;;) {
            auto event = response->next_event();
            if (event) continue;
            if (event.error() != reeve::Errc::eof) return;
            break;
        }
    }
}

int run_all(const reeve::bench::Bench& bench) {
    reeve::test::Certificates certificates;
    const Chain chain(certificates);
    // Of its own, because the counters of the other are watched.
    const Chain busy(certificates);
    const std::string busy_url = busy.front->url() + "/v1/chat/completions";
    reeve::http::Client busy_client;
    const std::uint64_t count = bench.size({.small = 100, .real = 1000});
    for (const unsigned streams : {0U, 200U}) {
        std::vector<reeve::Join<void>> others;
        for (unsigned i = 0; i < streams; ++i)
            others.push_back(reeve::spawn([&] { stream_on(busy_client, busy_url); }));
        while (busy.upstream->counters().requests.load() < streams) (void)reeve::sleep_for(10ms);
        if (streams > 0) (void)reeve::sleep_for(1s);  // all of them past their handshakes and first tokens
        if (bench.is_wanted("disconnect_mid_stream"))
            measure("disconnect_mid_stream", "stall", chain, streams, count);
        if (bench.is_wanted("disconnect_before_first_byte"))
            measure("disconnect_before_first_byte", "hang", chain, streams, count);
        for (auto& other : others) other.cancel();
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const reeve::bench::Bench bench(argc, argv);
    return reeve::run([&] { return run_all(bench); });
}
