// RunningGateway and RunningServer: servers on free ports for tests, inside the test's own run(); and what clients do.
//
// For fibers. Destructors stop the server and wait for its end.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/gateway/gateway.hpp"
#include "http/client.hpp"
#include "http/json.hpp"
#include "http/server.hpp"
#include "net/tls.hpp"
#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

namespace reeve::test {

class RunningServer {
public:
    explicit RunningServer(http::Limits limits = short_drain()) : server_(limits) {}
    ~RunningServer() {
        server_.stop();
        if (serving_) (void)serving_->join();
    }
    RunningServer(const RunningServer&) = delete;
    RunningServer& operator=(const RunningServer&) = delete;

    [[nodiscard]] http::Server& server() { return server_; }

    void start(const net::TlsConfig* tls = nullptr) {
        const auto listening = tls ? server_.listen_tls("127.0.0.1:0", *tls) : server_.listen("127.0.0.1:0");
        REEVE_EXPECT(listening);
        url_ = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server_.port());
        serving_.emplace(spawn([this] { return server_.serve().has_value(); }));
    }
    [[nodiscard]] const std::string& url() const { return url_; }

    static http::Limits short_drain() {
        http::Limits limits;
        limits.drain_timeout = std::chrono::milliseconds(200);
        return limits;
    }

private:
    http::Server server_;
    std::string url_;
    std::optional<Join<bool>> serving_;
};

class RunningGateway {
public:
    explicit RunningGateway(std::unique_ptr<gateway::Forwarder> forwarder = nullptr,
                            const net::TlsConfig* tls = nullptr, http::Limits limits = RunningServer::short_drain())
        : gateway_(1, *gateway::profile_of("instant"), std::move(forwarder)), running_(limits) {
        gateway_.add_routes(running_.server());
        running_.start(tls);
    }

    [[nodiscard]] const std::string& url() const { return running_.url(); }
    [[nodiscard]] std::string chat_url() const { return url() + "/v1/chat/completions"; }
    [[nodiscard]] const gateway::Counters& counters() const { return gateway_.counters(); }

private:
    gateway::Gateway gateway_;
    RunningServer running_;
};

// Until the counter has this value. The run's own deadline ends a wait that never does.
inline void wait_for(const std::atomic<std::uint64_t>& counter, std::uint64_t value) {
    while (counter.load() < value && sleep_for(std::chrono::milliseconds(1))) {
    }
}

inline std::string chat_body(std::string_view more, std::string_view model = "reeve-sim") {
    return "{\"model\":\"" + std::string(model) + "\"," + std::string(more) +
           (more.empty() ? "" : ",") + R"("messages":[{"role":"user","content":"Tell me about lighthouses."}]})";
}

// What a client saw of a streamed answer.
struct SeenStream {
    int status = 0;
    std::vector<std::string> frames;  // data of each event but [DONE]
    std::string text;                 // content of choice 0
    std::string finish_reason;        // of choice 0
    std::string error;                // message of an error frame
    bool has_done = false;            // [DONE] was the last event
    bool has_end = false;             // the body ended in order
};

inline void take_frame(SeenStream& seen, const std::string& data) {
    if (data == "[DONE]") {
        seen.has_done = true;
        return;
    }
    REEVE_EXPECT(!seen.has_done);
    seen.frames.push_back(data);
    const auto document = http::JsonDocument::parse(data);
    if (!document) return;
    const http::Json choice = (*document)["choices"][0];
    if (choice["index"].int_or(-1) == 0) {
        seen.text += choice["delta"]["content"].string_or("");
        if (choice["finish_reason"].is_string()) seen.finish_reason = choice["finish_reason"].string_or("");
    }
    seen.error += (*document)["error"]["message"].string_or("");
}

inline SeenStream read_stream(Result<http::ClientResponse> response) {
    SeenStream seen;
    if (!REEVE_EXPECT(response)) return seen;
    seen.status = response->status();
    for (;;) {
        auto event = response->next_event();
        if (!event) {
            seen.has_end = event.error() == Errc::eof;
            return seen;
        }
        take_frame(seen, event->data);
    }
}

// The members of an error answer, as "type|param|code"; null is empty.
inline std::string error_of(std::string_view body) {
    const auto document = http::JsonDocument::parse(body);
    if (!document) return "no JSON: " + std::string(body);
    const http::Json error = document->root()["error"];
    REEVE_EXPECT(!error["message"].string_or("").empty());
    REEVE_EXPECT(error.contains("param"));
    REEVE_EXPECT(error.contains("code"));
    return std::string(error["type"].string_or("")) + "|" + std::string(error["param"].string_or("")) + "|" +
           std::string(error["code"].string_or(""));
}

}  // namespace reeve::test
