#include "apps/gateway/forward.hpp"

#include <string>

#include "http/message.hpp"
#include "tests/apps/gateway_fixture.hpp"
#include "tests/support/certificates.hpp"

using namespace std::chrono_literals;
using namespace reeve;
using namespace reeve::test;
using gateway::Forwarder;
using http::Client;
using http::Request;
using http::Response;

static std::unique_ptr<Forwarder> forwarder_to(const std::string& url, const std::string& ca_file = "",
                                               const std::string& key = "") {
    auto made = Forwarder::make({url, key, ca_file});
    REEVE_EXPECT(made);
    return made ? std::move(made).value() : nullptr;
}

// Two gateways, the second behind the first, with TLS between them.
struct Chain {
    explicit Chain(Certificates& certificates, const std::string& names = "DNS:localhost,IP:127.0.0.1") {
        const CertificateFiles files = certificates.signed_for(names);
        net::TlsServerOptions options;
        options.certificate_file = files.certificate;
        options.key_file = files.key;
        auto tls = net::TlsConfig::server(options);
        if (!REEVE_EXPECT(tls)) return;
        upstream = std::make_unique<RunningGateway>(nullptr, &*tls);
        front = std::make_unique<RunningGateway>(forwarder_to(upstream->url(), certificates.authority()));
    }

    std::unique_ptr<RunningGateway> upstream;
    std::unique_ptr<RunningGateway> front;
    Client client;
};

REEVE_TEST("forward: over TLS, streamed and plain, the same as from the upstream itself", "[gateway]") {
    Certificates certificates;
    Chain chain(certificates);
    const std::string streamed =
        chat_body(R"("seed":3,"max_tokens":40,"stream":true,"stream_options":{"include_usage":true})");
    const SeenStream seen = read_stream(chain.client.post(chain.front->chat_url(), streamed));
    REEVE_EXPECT(seen.status == 200);
    REEVE_EXPECT(seen.has_done && seen.has_end);
    REEVE_EXPECT(seen.frames.size() > 10);

    auto plain = chain.client.post(chain.front->chat_url(), chat_body(R"("seed":3,"max_tokens":40)"));
    if (!REEVE_EXPECT(plain)) return;
    REEVE_EXPECT(plain->status() == 200);
    const auto answer = http::JsonDocument::parse(plain->body().value());
    REEVE_EXPECT((*answer)["choices"][0]["message"]["content"].string_or("") == seen.text);

    auto models = chain.client.get(chain.front->url() + "/v1/models");
    if (!REEVE_EXPECT(models)) return;
    REEVE_EXPECT(models->body().value().find("reeve-sim-fast") != std::string::npos);
    auto model = chain.client.get(chain.front->url() + "/v1/models/no%2Fsuch");
    if (!REEVE_EXPECT(model)) return;
    REEVE_EXPECT(model->status() == 404);
    REEVE_EXPECT(error_of(model->body().value()) == "invalid_request_error|model|model_not_found");
}

// The upstream stops after a few tokens and never goes on: what the client has by then came token by token.
REEVE_TEST("forward: frames arrive as the upstream sends them, and a client that leaves ends the upstream's request",
           "[gateway]") {
    Certificates certificates;
    Chain chain(certificates);
    {
        auto response =
            chain.client.post(chain.front->chat_url(), chat_body(R"("stream":true)"), {{"X-Reeve-Fault", "stall"}});
        if (!REEVE_EXPECT(response)) return;
        std::string text;
        for (int frames = 0; frames < 5; ++frames) {
            auto event = response->next_event();
            if (!REEVE_EXPECT(event)) return;
            text += event->data;
        }
        REEVE_EXPECT(chain.upstream->counters().cancelled.load() == 0);
        response->close();
    }
    wait_for(chain.upstream->counters().cancelled, 1);
    wait_for(chain.front->counters().cancelled, 1);
    REEVE_EXPECT(chain.upstream->counters().cancelled.load() == 1);
    REEVE_EXPECT(chain.upstream->counters().completed.load() == 0);
}

REEVE_TEST("forward: a client that leaves before the first byte ends the upstream's request, streamed and plain",
           "[gateway]") {
    Certificates certificates;
    Chain chain(certificates);
    std::uint64_t left = 0;
    for (const char* more : {R"("stream":true)", R"("stream":false)"}) {
        auto calling = spawn([&] {
            auto response = chain.client.post(chain.front->chat_url(), chat_body(more), {{"X-Reeve-Fault", "hang"}});
            REEVE_EXPECT(!response && response.error() == Errc::cancelled);
        });
        ++left;
        wait_for(chain.upstream->counters().requests, left);
        calling.cancel();
        calling.join();
        wait_for(chain.upstream->counters().cancelled, left);
        REEVE_EXPECT(chain.upstream->counters().cancelled.load() == left);
    }
}

REEVE_TEST("forward: an upstream that fails in the middle gives an error frame and no end that looks complete",
           "[gateway]") {
    Certificates certificates;
    Chain chain(certificates);
    for (const char* fault : {"cut", "eof"}) {
        const SeenStream seen = read_stream(
            chain.client.post(chain.front->chat_url(), chat_body(R"("stream":true)"), {{"X-Reeve-Fault", fault}}));
        REEVE_EXPECT(!seen.text.empty());
        REEVE_EXPECT(!seen.error.empty());
        REEVE_EXPECT(seen.finish_reason.empty());
        REEVE_EXPECT(!seen.has_done);
        REEVE_EXPECT(seen.has_end);
    }
    const SeenStream huge = read_stream(
        chain.client.post(chain.front->chat_url(), chat_body(R"("stream":true)"), {{"X-Reeve-Fault", "huge-line"}}));
    REEVE_EXPECT(huge.has_done && huge.text.size() > 256 * 1024);
    const SeenStream split = read_stream(
        chain.client.post(chain.front->chat_url(), chat_body(R"("stream":true)"), {{"X-Reeve-Fault", "utf8-split"}}));
    REEVE_EXPECT(split.has_done && split.text.find(" caf\xc3\xa9") != std::string::npos);
}

REEVE_TEST("forward: an upstream that refuses is passed on, one that is not there is 502", "[gateway]") {
    Certificates certificates;
    Chain chain(certificates);
    auto limited =
        chain.client.post(chain.front->chat_url(), chat_body(R"("stream":true)"), {{"X-Reeve-Fault", "429"}});
    if (!REEVE_EXPECT(limited)) return;
    REEVE_EXPECT(limited->status() == 429);
    REEVE_EXPECT(limited->header("Retry-After-Ms") == "100");
    REEVE_EXPECT(error_of(limited->body().value()) == "rate_limit_error||rate_limit_exceeded");
    auto malformed = chain.client.post(chain.front->chat_url(), "{\"stream\":");
    REEVE_EXPECT(malformed && malformed->status() == 400);
    REEVE_EXPECT(chain.upstream->counters().requests.load() == 1);

    // Not trusted, for another name, and nobody there.
    const RunningGateway distrustful(forwarder_to(chain.upstream->url()));
    Chain other_name(certificates, "DNS:elsewhere.example");
    const RunningGateway alone(forwarder_to("http://127.0.0.1:1"));
    for (const std::string& url : {distrustful.chat_url(), other_name.front->chat_url(), alone.chat_url()}) {
        auto response = chain.client.post(url, chat_body(R"("stream":true)"));
        if (!REEVE_EXPECT(response)) continue;
        REEVE_EXPECT(response->status() == 502);
        REEVE_EXPECT(error_of(response->body().value()) == "server_error||upstream_error");
    }
}

// A gateway in front of a handler of our own.
struct Behind {
    explicit Behind(http::Handler handler, const std::string& key = "") {
        server.server().handle("POST", "/api/chat/completions", std::move(handler));
        server.start();
        front = std::make_unique<RunningGateway>(forwarder_to(server.url() + "/api/", "", key));
    }
    Result<http::ClientResponse> post(std::string_view body, const http::Headers& headers = {}) {
        return client.post(front->chat_url(), body, headers);
    }

    RunningServer server;
    std::unique_ptr<RunningGateway> front;
    Client client;
};

REEVE_TEST("forward: the body travels verbatim, with the caller's key or the gateway's", "[gateway]") {
    const auto echo = [](Request& request, Response& response) {
        const auto body = request.body();
        if (!body) return;
        response.set_header("OpenAI-Version", "its own");
        response.set_header("X-RateLimit-Remaining-Requests", "9");
        response.set_header("Server", "secret");
        response.text(200, std::string(*body) + "|" + std::string(request.header("Authorization")) + "|" +
                               std::string(request.header("X-Request-Id")) + "|" +
                               std::string(request.header("X-Stainless-OS")) + "|" +
                               std::string(request.header("Cookie")));
    };
    const std::string body = R"({ "unknown_field" : [1, 2],"n":1000 })";
    const http::Headers headers = {
        {"Authorization", "Bearer mine"}, {"X-Request-Id", "r1"}, {"X-Stainless-OS", "Linux"}, {"Cookie", "c"}};
    Behind passing(echo);
    auto mine = passing.post(body, headers);
    if (!REEVE_EXPECT(mine)) return;
    REEVE_EXPECT(mine->header("OpenAI-Version") == "its own");
    REEVE_EXPECT(mine->header("X-RateLimit-Remaining-Requests") == "9");
    REEVE_EXPECT(mine->header("Server") != "secret");
    REEVE_EXPECT(mine->body().value() == body + "|Bearer mine|r1|Linux|");
    Behind replacing(echo, "ours");
    auto ours = replacing.post(body, headers);
    if (!REEVE_EXPECT(ours)) return;
    REEVE_EXPECT(ours->body().value() == body + "|Bearer ours|r1|Linux|");
}

REEVE_TEST("forward: what untidy upstreams send is made safe for every client", "[gateway]") {
    Behind behind([](Request& request, Response& response) {
        const auto body = request.body();
        if (!body || body->find("\"stream\":true") == std::string_view::npos)
            return response.json(200, "\n\n\n  {\"choices\":[]}");
        auto writer = response.begin(200, {{"Content-Type", "text/event-stream"}});
        for (const char* piece : {": OPENROUTER PROCESSING\r\n\r\n", "event: ping\r\ndata: {}\r\n\r\n",
                                  "data:\r\n\r\n", "id: 4\r\nretry: 5\r\n",
                                  "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\xc3", "\xa9\"}}]}\r\n\r\n",
                                  "data: {\"choices\":[{\"index\":0,\ndata: \"finish_reason\":\"stop\"}]}\n\n"})
            (void)writer.write(piece);
        // No [DONE]: complete all the same.
    });
    auto response = behind.post(R"({"stream":true})");
    if (!REEVE_EXPECT(response)) return;
    const std::string all = response->body().value_or("");
    REEVE_EXPECT(all == "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\xc3\xa9\"}}]}\n\n"
                        "data: {\"choices\":[{\"index\":0, \"finish_reason\":\"stop\"}]}\n\n"
                        "data: [DONE]\n\n");
    auto plain = behind.post(R"({"stream":false})");
    if (!REEVE_EXPECT(plain)) return;
    REEVE_EXPECT(plain->body().value_or("") == "{\"choices\":[]}");
}

REEVE_TEST("forward: errors of upstreams that speak otherwise", "[gateway]") {
    Behind behind([](Request& request, Response& response) {
        const std::string kind(request.header("X-Reeve-Kind"));
        if (kind == "html") return response.send(503, {{"Content-Type", "text/html"}}, "<h1>Busy</h1>");
        if (kind == "redirect") return response.send(302, {{"Location", "/elsewhere"}}, "");
        auto events = response.events();
        if (kind == "late-error")
            (void)events.send(R"({"choices":[{"index":0,"delta":{"content":"a"}}]})");
        (void)events.send(R"({"error":{"message":"overloaded","code":529}})");
        (void)events.finish("[DONE]");
    });
    const auto kind = [&](const char* name) { return behind.post(R"({"stream":true})", {{"X-Reeve-Kind", name}}); };
    auto html = kind("html");
    REEVE_EXPECT(html && html->status() == 503 && error_of(html->body().value()) == "server_error||upstream_error");
    auto redirect = kind("redirect");
    REEVE_EXPECT(redirect && redirect->status() == 502);
    auto early = kind("early-error");
    REEVE_EXPECT(early && early->status() == 529);
    const SeenStream late = read_stream(kind("late-error"));
    REEVE_EXPECT(late.status == 200 && late.text == "a" && late.error == "overloaded" && !late.has_done);
}
