#include "apps/gateway/gateway.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "tests/apps/gateway_fixture.hpp"

using namespace std::chrono_literals;
using namespace reeve;
using namespace reeve::test;
using http::Client;
using http::JsonDocument;

REEVE_TEST("gateway: a streamed answer: role, text, finish, [DONE]", "[gateway]") {
    RunningGateway gateway;
    Client client;
    auto response = client.post(gateway.chat_url(), chat_body(R"("stream":true)"));
    if (!REEVE_EXPECT(response)) return;
    REEVE_EXPECT(response->header("Content-Type") == "text/event-stream; charset=utf-8");
    REEVE_EXPECT(response->header("Cache-Control") == "no-cache, no-transform");
    REEVE_EXPECT(response->header("X-Accel-Buffering") == "no");
    REEVE_EXPECT(response->header("X-Request-Id").starts_with("req_"));
    REEVE_EXPECT(!response->header("openai-processing-ms").empty());
    const SeenStream seen = read_stream(std::move(response));
    REEVE_EXPECT(seen.has_done);
    REEVE_EXPECT(seen.has_end);
    REEVE_EXPECT(seen.finish_reason == "stop");
    REEVE_EXPECT(seen.text.size() > 20);
    const auto first = JsonDocument::parse(seen.frames.at(0));
    REEVE_EXPECT((*first)["choices"][0]["delta"]["role"].string_or("") == "assistant");
    std::string id;
    for (const std::string& frame : seen.frames) {
        const auto document = JsonDocument::parse(frame);
        if (id.empty()) id = (*document)["id"].string_or("");
        REEVE_EXPECT((*document)["id"].string_or("") == id);
        REEVE_EXPECT((*document)["model"].string_or("") == "reeve-sim");
        REEVE_EXPECT(!document->root().contains("usage"));
    }
    REEVE_EXPECT(id.starts_with("chatcmpl-"));
}

REEVE_TEST("gateway: streamed and plain answers of one seed are the same", "[gateway]") {
    RunningGateway gateway;
    Client client;
    const SeenStream seen = read_stream(client.post(
        gateway.chat_url(),
        chat_body(R"("seed":5,"max_tokens":50,"stream":true,"stream_options":{"include_usage":true})")));
    auto plain = client.post(gateway.chat_url(), chat_body(R"("seed":5,"max_tokens":50)"));
    if (!REEVE_EXPECT(plain)) return;
    REEVE_EXPECT(plain->status() == 200);
    REEVE_EXPECT(plain->header("Content-Type") == "application/json");
    const auto answer = JsonDocument::parse(plain->body().value());
    if (!REEVE_EXPECT(answer)) return;
    const auto choice = (*answer)["choices"][0];
    REEVE_EXPECT(choice["message"]["content"].string_or("") == seen.text);
    REEVE_EXPECT(choice["finish_reason"].string_or("") == seen.finish_reason);

    const auto last = JsonDocument::parse(seen.frames.back());
    REEVE_EXPECT((*last)["choices"].size() == 0);
    REEVE_EXPECT((*last)["choices"].is_array());
    const auto usage = (*last)["usage"];
    REEVE_EXPECT(usage["completion_tokens"].int_or(0) > 0);
    REEVE_EXPECT(usage["total_tokens"].int_or(0) ==
                 usage["prompt_tokens"].int_or(0) + usage["completion_tokens"].int_or(0));
    REEVE_EXPECT(usage.text() == (*answer)["usage"].text());
    for (std::size_t i = 0; i + 1 < seen.frames.size(); ++i)
        REEVE_EXPECT(JsonDocument::parse(seen.frames[i])->root()["usage"].is_null());
}

REEVE_TEST("gateway: max_tokens and several choices", "[gateway]") {
    RunningGateway gateway;
    Client client;
    auto response = client.post(gateway.chat_url(), chat_body(R"("n":3,"max_tokens":2)"));
    if (!REEVE_EXPECT(response)) return;
    const auto answer = JsonDocument::parse(response->body().value());
    REEVE_EXPECT((*answer)["choices"].size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        REEVE_EXPECT((*answer)["choices"][i]["index"].int_or(-1) == static_cast<int>(i));
        REEVE_EXPECT((*answer)["choices"][i]["finish_reason"].string_or("") == "length");
    }
    REEVE_EXPECT((*answer)["usage"]["completion_tokens"].int_or(0) == 6);

    const SeenStream seen =
        read_stream(client.post(gateway.chat_url(), chat_body(R"("n":3,"max_tokens":2,"stream":true)")));
    REEVE_EXPECT(seen.frames.size() == 3 + 6 + 3);
    REEVE_EXPECT(seen.has_done);
}

REEVE_TEST("gateway: mistakes have the shape that clients parse, and the server keeps serving", "[gateway]") {
    http::Limits limits = RunningServer::short_drain();
    limits.body_bytes = 64 * 1024;
    RunningGateway gateway(nullptr, nullptr, limits);
    Client client;
    struct Case {
        const char* method;
        const char* path;
        std::string body;
        int status;
        const char* error;
    };
    const std::string chat = "/v1/chat/completions";
    const Case cases[] = {
        {"POST", chat.c_str(), "{\"model\":", 400, "invalid_request_error||invalid_json"},
        {"POST", chat.c_str(), "", 400, "invalid_request_error||invalid_json"},
        {"POST", chat.c_str(), "{\"model\":\"reeve-sim\"}", 400,
         "invalid_request_error|messages|missing_required_parameter"},
        {"POST", chat.c_str(), chat_body("\"n\":99"), 400, "invalid_request_error|n|integer_above_max_value"},
        {"POST", chat.c_str(), chat_body("", "gpt-17"), 404, "invalid_request_error|model|model_not_found"},
        {"POST", chat.c_str(), chat_body("\"user\":\"" + std::string(100'000, 'x') + "\""), 413,
         "invalid_request_error||"},
        {"GET", chat.c_str(), "", 405, "invalid_request_error||method_not_allowed"},
        {"DELETE", "/v1/models", "", 405, "invalid_request_error||method_not_allowed"},
        {"POST", "/v1/completions", "{}", 404, "not_found_error||not_found"},
        {"GET", "/", "", 404, "not_found_error||not_found"},
        {"GET", "/v1/models/a/b", "", 404, "invalid_request_error|model|model_not_found"},
    };
    for (const Case& c : cases) {
        http::ClientRequest request;
        request.method = c.method;
        request.url = gateway.url() + c.path;
        request.body = c.body;
        auto response = client.request(std::move(request));
        if (!REEVE_EXPECT(response)) continue;
        const std::string body = response->body().value_or("");
        const bool is_as_expected = response->status() == c.status && error_of(body) == c.error;
        if (!REEVE_EXPECT(is_as_expected))
            warn("%s %s: %d %s, expected %d %s", c.method, c.path, response->status(), body.c_str(), c.status, c.error);
        if (c.status == 405) REEVE_EXPECT(!response->header("Allow").empty());
    }
    const SeenStream seen = read_stream(client.post(gateway.chat_url(), chat_body(R"("stream":true)")));
    REEVE_EXPECT(seen.has_done);
}

REEVE_TEST("gateway: models, health, request ids, browsers", "[gateway]") {
    RunningGateway gateway;
    Client client;
    auto list = client.get(gateway.url() + "/v1/models", {{"X-Request-Id", "my-id.1"}});
    if (!REEVE_EXPECT(list)) return;
    REEVE_EXPECT(list->header("X-Request-Id") == "my-id.1");
    REEVE_EXPECT(list->header("Access-Control-Allow-Origin") == "*");
    const auto models = JsonDocument::parse(list->body().value());
    REEVE_EXPECT((*models)["object"].string_or("") == "list");
    REEVE_EXPECT((*models)["data"].size() == 3);
    REEVE_EXPECT((*models)["data"][0]["id"].string_or("") == "reeve-sim");

    auto model = client.get(gateway.url() + "/v1/models/reeve-sim-fast", {{"X-Request-Id", "not well formed"}});
    if (!REEVE_EXPECT(model)) return;
    REEVE_EXPECT(model->header("X-Request-Id").starts_with("req_"));
    REEVE_EXPECT((*JsonDocument::parse(model->body().value()))["object"].string_or("") == "model");

    auto health = client.get(gateway.url() + "/healthz");
    if (!REEVE_EXPECT(health)) return;
    REEVE_EXPECT((*JsonDocument::parse(health->body().value()))["status"].string_or("") == "ok");

    http::ClientRequest preflight;
    preflight.method = "OPTIONS";
    preflight.url = gateway.chat_url();
    preflight.headers = {{"Origin", "http://a.example"},
                         {"Access-Control-Request-Headers", "authorization,x-stainless-os"}};
    auto allowed = client.request(std::move(preflight));
    if (!REEVE_EXPECT(allowed)) return;
    REEVE_EXPECT(allowed->status() == 204);
    REEVE_EXPECT(allowed->header("Access-Control-Allow-Headers") == "authorization,x-stainless-os");
    REEVE_EXPECT(allowed->header("Access-Control-Allow-Methods").find("POST") != std::string_view::npos);
}

static std::string dump_of_all_fibers() {
    const int file = ::memfd_create("dump", 0);
    reeve::dump(file);
    std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
    const auto got = ::pread(file, text.data(), text.size(), 0);
    ::close(file);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

REEVE_TEST("gateway: a request is a fiber with a name, and ends when its client leaves", "[gateway]") {
    RunningGateway gateway;
    Client client;
    // Streamed and plain, before the first byte and after some.
    for (const char* fault : {"hang", "stall"}) {
        const std::uint64_t before = gateway.counters().cancelled.load();
        auto calling = spawn([&] {
            auto response = client.post(gateway.chat_url(), chat_body(R"("stream":true)"), {{"X-Reeve-Fault", fault}});
            if (!response) return;
            while (response->next_event()) {
            }
        });
        wait_for(gateway.counters().requests, before + 1);
        std::string dump;
        while ((dump = dump_of_all_fibers()).find("chat-") == std::string::npos && sleep_for(1ms)) {
        }
        REEVE_EXPECT(dump.find("chat-") != std::string::npos);
        calling.cancel();
        calling.join();
        wait_for(gateway.counters().cancelled, before + 1);
        REEVE_EXPECT(gateway.counters().cancelled.load() == before + 1);
        // Its fiber ends before the counter counts, but its name goes with its last breath.
        while (dump_of_all_fibers().find("chat-") != std::string::npos && sleep_for(1ms)) {
        }
    }
    REEVE_EXPECT(gateway.counters().completed.load() == 0);
    auto health = client.get(gateway.url() + "/healthz");
    REEVE_EXPECT(health);
}

REEVE_TEST("gateway: failures on demand", "[gateway]") {
    RunningGateway gateway;
    Client client;
    const auto ordered = [&](const char* fault) {
        return client.post(gateway.chat_url(), chat_body(R"("stream":true,"max_tokens":10)"),
                           {{"X-Reeve-Fault", fault}});
    };
    auto limited = ordered("429");
    REEVE_EXPECT(limited && limited->status() == 429 && limited->header("Retry-After") == "1");
    auto failed = ordered("500");
    REEVE_EXPECT(failed && failed->status() == 500);
    auto unknown = ordered("earthquake");
    REEVE_EXPECT(unknown && unknown->status() == 400);

    const SeenStream cut = read_stream(ordered("cut"));
    REEVE_EXPECT(!cut.text.empty());
    REEVE_EXPECT(!cut.has_end);
    const SeenStream ended = read_stream(ordered("eof"));
    REEVE_EXPECT(ended.has_end && !ended.has_done && ended.finish_reason.empty());
    const SeenStream split = read_stream(ordered("utf8-split"));
    REEVE_EXPECT(split.has_done && split.text.find(" caf\xc3\xa9") != std::string::npos);
    const SeenStream huge = read_stream(ordered("huge-line"));
    REEVE_EXPECT(huge.has_done && huge.text.size() > 256 * 1024);
    const SeenStream malformed = read_stream(ordered("malformed"));
    REEVE_EXPECT(malformed.has_done);
}

REEVE_TEST("gateway: many streams at once, all of them whole", "[gateway]") {
    RunningGateway gateway;
    Client client;
    constexpr int k_streams = 64;
    std::vector<Join<bool>> calls;
    for (int i = 0; i < k_streams; ++i)
        calls.push_back(spawn([&, i] {
            const std::string body = chat_body(R"("stream":true,"max_tokens":40,"seed":)" + std::to_string(i % 4),
                                               i % 2 == 0 ? "reeve-sim" : "reeve-sim-fast");
            const SeenStream seen = read_stream(client.post(gateway.chat_url(), body));
            return seen.has_done && !seen.finish_reason.empty() && !seen.text.empty();
        }));
    int whole = 0;
    for (auto& call : calls) whole += call.join();
    REEVE_EXPECT(whole == k_streams);
    wait_for(gateway.counters().completed, k_streams);
    REEVE_EXPECT(gateway.counters().cancelled.load() == 0);
}
