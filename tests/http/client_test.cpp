#include "http/client.hpp"

#include "tests/http/test_server.hpp"

using namespace std::chrono_literals;
using namespace reeve;
using http::Client;
using http::ClientConfig;
using http::ClientRequest;
using http::Request;
using http::Response;
using http::Url;
using test::RawPeer;
using test::ScriptedServer;
using test::TestServer;

namespace {

void usual_routes(http::Server& server) {
    server.handle("GET", "/", [](Request&, Response& response) { response.text(200, "hello"); });
    server.handle("/echo", [](Request& request, Response& response) {
        const auto body = request.body();
        if (!body) return;
        std::string out = std::string(request.method()) + " ";
        out.append(request.header("x-test")).append(" ").append(*body);
        response.text(200, out);
    });
    server.handle("GET", "/events", [](Request&, Response& response) {
        auto events = response.events();
        for (int i = 0; i < 3; ++i) {
            if (!events.send("event " + std::to_string(i))) return;
            (void)events.send_comment("ping");
        }
        (void)events.finish("[DONE]");
    });
}

std::string body_or_error(Result<http::ClientResponse> response) {
    if (!response) return response.error().text();
    const auto body = response->body(test::k_patience);
    return body ? *body : body.error().text();
}

}  // namespace

TEST_CASE("url: parts, and what is refused", "[http][url]") {
    const Url url = Url::parse("HTTPS://Example.org:8443/a/b?c=d#e").value();
    CHECK(url.scheme == "https");
    CHECK(url.host == "example.org");
    CHECK(url.port == 8443);
    CHECK(url.target == "/a/b?c=d");
    CHECK(url.authority() == "example.org:8443");
    CHECK(Url::parse("http://a").value().target == "/");
    CHECK(Url::parse("http://a?x").value().target == "/?x");
    CHECK(Url::parse("http://a#x").value().target == "/");
    CHECK(Url::parse("http://a/").value().authority() == "a");
    CHECK(Url::parse("https://a/").value().port == 443);
    CHECK(Url::parse("http://[::1]:80/").value().authority() == "[::1]");
    CHECK(Url::parse("http://[::1]/").value().origin() == "http://[::1]:80");
    for (const char* text : {"", "a/b", "ftp://a/", "http://", "http:///x", "http://user@a/", "http://a:99999/",
                             "http://a b/", "http://a/b c", "http://a/\r\nX: y", "http://a\r\n/"})
        CHECK(Url::parse(text).error() == Errc::malformed);
}

REEVE_TEST("client: requests, and the connection is used again", "[http][client]") {
    TestServer server(usual_routes);
    Client client;
    auto first = client.get(server.url("/"));
    if (!REEVE_EXPECT(first)) return;
    REEVE_EXPECT(first->status() == 200);
    REEVE_EXPECT(first->header("content-type") == "text/plain; charset=utf-8");
    REEVE_EXPECT(!first->reused_connection());
    REEVE_EXPECT(first->body().value() == "hello");
    REEVE_EXPECT(client.idle_connections() == 1u);
    auto second = client.post(server.url("/echo"), "body", {{"X-Test", "yes"}});
    REEVE_EXPECT(second && second->reused_connection());
    REEVE_EXPECT(body_or_error(std::move(second)) == "POST yes body");
    ClientRequest put;
    put.method = "PUT";
    put.url = server.url("/echo");
    int pieces = 0;
    put.body_source = [&]() -> Result<std::string> {
        if (++pieces > 3) return Errc::eof;
        return "piece" + std::to_string(pieces);
    };
    REEVE_EXPECT(body_or_error(client.request(std::move(put))) == "PUT  piece1piece2piece3");
    ClientRequest head;
    head.method = "HEAD";
    head.url = server.url("/");
    REEVE_EXPECT(body_or_error(client.request(std::move(head))).empty());
    REEVE_EXPECT(body_or_error(client.post(server.url("/echo"), std::string(400'000, 'z'))) ==
                 "POST  " + std::string(400'000, 'z'));
    REEVE_EXPECT(client.idle_connections() == 1u);
    client.close_idle_connections();
    REEVE_EXPECT(client.idle_connections() == 0u);
}

REEVE_TEST("client: many fibers share one client", "[http][client]") {
    TestServer server(usual_routes);
    Client client;
    std::vector<Join<int>> fibers;
    for (int i = 0; i < 16; ++i)
        fibers.push_back(spawn([&, i] {
            int good = 0;
            for (int n = 0; n < 10; ++n)
                good += body_or_error(client.post(server.url("/echo"), std::to_string(i))) == "POST  " + std::to_string(i);
            return good;
        }));
    int good = 0;
    for (auto& fiber : fibers) good += fiber.join();
    REEVE_EXPECT(good == 160);
    REEVE_EXPECT(client.idle_connections() <= 16u);
}

REEVE_TEST("client: server-sent events", "[http][client]") {
    TestServer server(usual_routes);
    Client client;
    ClientRequest request;
    request.url = server.url("/events");
    auto answer = client.events(std::move(request));
    if (!REEVE_EXPECT(answer)) return;
    for (const char* expected : {"event 0", "event 1", "event 2", "[DONE]"}) {
        const auto event = answer->next_event(test::k_patience);
        REEVE_EXPECT(event && event->data == expected);
    }
    REEVE_EXPECT(answer->next_event(test::k_patience).error() == Errc::eof);
    REEVE_EXPECT(answer->next_event(test::k_patience).error() == Errc::eof);
    REEVE_EXPECT(client.idle_connections() == 1u);
}

REEVE_TEST("client: the answers that real servers give", "[http][client]") {
    const std::string answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: z\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    };
    ScriptedServer server([&](RawPeer& peer, int n) {
        (void)peer.read_message();
        // Byte by byte, so that every state sees an end of input.
        for (const char c : answers[n]) peer.send({&c, 1});
    });
    Client client;
    for ([[maybe_unused]] const std::string& answer : answers) {
        REEVE_EXPECT(body_or_error(client.get(server.url())) == "hello");
        client.close_idle_connections();
    }
}

REEVE_TEST("client: answers that are cut or broken are errors, never ends", "[http][client]") {
    const struct {
        Errc expected;
        std::string bytes;
    } answers[] = {
        {Errc::reset, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"},
        {Errc::reset, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
        {Errc::reset, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"},
        {Errc::malformed, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"},
        {Errc::reset, "HTTP/1.1 200 OK\r\nContent-"},
        {Errc::reset, ""},
        {Errc::malformed, "SSH-2.0-OpenSSH\r\n"},
        {Errc::malformed, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
        {Errc::too_large, "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"},
    };
    ScriptedServer server([&](RawPeer& peer, int n) {
        (void)peer.read_message();
        peer.send(answers[n].bytes);
        peer.half_close();
        (void)peer.read_all();
    });
    Client client;
    for (const auto& answer : answers) {
        auto response = client.get(server.url());
        if (!response) {
            if (!REEVE_EXPECT(response.error() == answer.expected)) warn("%s", answer.bytes.substr(0, 60).c_str());
            continue;
        }
        const auto body = response->body(test::k_patience);
        if (!REEVE_EXPECT(!body && body.error() == answer.expected)) warn("%s", answer.bytes.c_str());
    }
    REEVE_EXPECT(client.idle_connections() == 0u);
}

REEVE_TEST("client: a pooled connection that was closed meanwhile is replaced", "[http][client]") {
    Channel<bool> closed(1);
    ScriptedServer server([=](RawPeer& peer, int) {
        (void)peer.read_message();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        peer.close();
        (void)closed.send(true);
    });
    Client client;
    for (int i = 0; i < 3; ++i) {
        REEVE_EXPECT(body_or_error(client.post(server.url(), "x")) == "ok");
        (void)closed.recv(test::k_patience);
    }
}

REEVE_TEST("client: only what is safe is sent twice", "[http][client]") {
    // The second request of each connection is read, and answered by a close.
    std::atomic<int> requests{0};
    ScriptedServer server([&](RawPeer& peer, int) {
        (void)peer.read_message();
        ++requests;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if (!peer.read_message().empty()) ++requests;
    });
    Client client;
    REEVE_EXPECT(body_or_error(client.get(server.url())) == "ok");
    REEVE_EXPECT(body_or_error(client.get(server.url())) == "ok");
    REEVE_EXPECT(requests.load() == 3);
    auto post = client.post(server.url(), "x");
    REEVE_EXPECT(!post && post.error() == Errc::reset);
    REEVE_EXPECT(requests.load() == 4);
}

REEVE_TEST("client: giving up an answer ends the request on the server", "[http][client]") {
    Channel<bool> left(4);
    TestServer server([=](http::Server& s) {
        s.handle("GET", "/stream", [=](Request&, Response& response) {
            auto events = response.events();
            while (events.send("tick")) sleep_for(1ms);
            (void)left.try_send(true);
        });
        s.handle("GET", "/think", [=](Request&, Response&) {
            if (!sleep_for(60s)) (void)left.try_send(true);
        });
    });
    Client client;
    {
        auto answer = client.get(server.url("/stream"));
        REEVE_EXPECT(answer && answer->next_event(test::k_patience));
    }
    REEVE_EXPECT(left.recv(test::k_patience));

    // Cancelled while it waits for the head, and while it reads.
    for (const char* path : {"/think", "/stream"}) {
        Channel<bool> begun(1);
        auto fiber = spawn([&, path, begun]() -> Errc {
            (void)begun.send(true);
            auto answer = client.get(server.url(path));
            if (!answer) return answer.error().code();
            for (;;)
                if (const auto event = answer->next_event(); !event) return event.error().code();
        });
        (void)begun.recv(test::k_patience);
        sleep_for(5ms);
        fiber.cancel();
        REEVE_EXPECT(fiber.join() == Errc::cancelled);
    }
    REEVE_EXPECT(left.recv(test::k_patience));
    REEVE_EXPECT(client.idle_connections() == 0u);
}

REEVE_TEST("client: time limits of each phase", "[http][client]") {
    ScriptedServer server([](RawPeer& peer, int n) {
        (void)peer.read_message();
        if (n == 2) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
        (void)peer.read_all();
    });
    ClientConfig config;
    config.head_timeout = 30ms;
    config.body_idle_timeout = 30ms;
    Client client(config);
    REEVE_EXPECT(client.get(server.url()).error() == Errc::timed_out);
    Client patient;
    REEVE_EXPECT(patient.get(server.url(), {}, 20ms).error() == Errc::timed_out);
    auto answer = client.get(server.url());
    if (!REEVE_EXPECT(answer)) return;
    REEVE_EXPECT(answer->body().error() == Errc::timed_out);
}

REEVE_TEST("client: limits of size", "[http][client]") {
    TestServer server([](http::Server& s) {
        s.handle("GET", "/large", [](Request&, Response& response) { response.text(200, std::string(5000, 'x')); });
        s.handle("GET", "/line", [](Request&, Response& response) {
            (void)response.events().finish(std::string(5000, 'x'));
        });
    });
    ClientConfig config;
    config.body_bytes = 1000;
    config.event_bytes = 1000;
    Client client(config);
    auto large = client.get(server.url("/large"));
    REEVE_EXPECT(large && large->body().error() == Errc::too_large);
    auto line = client.get(server.url("/line"));
    REEVE_EXPECT(line && line->next_event().error() == Errc::too_large);
    auto pieces = client.get(server.url("/large"));
    if (!REEVE_EXPECT(pieces)) return;
    std::size_t total = 0;
    std::byte block[777];
    for (;;) {
        const auto got = pieces->read(block, test::k_patience);
        if (!got) {
            REEVE_EXPECT(got.error() == Errc::eof);
            break;
        }
        total += *got;
    }
    REEVE_EXPECT(total == 5000u);
}

REEVE_TEST("client: an answer that comes before the request has gone", "[http][client]") {
    http::Limits limits;
    limits.body_bytes = 1000;
    TestServer server(usual_routes, limits);
    Client client;
    auto answer = client.post(server.url("/echo"), std::string(3'000'000, 'x'));
    REEVE_EXPECT(answer && answer->status() == 413);
}

REEVE_TEST("client: nobody there, no such name", "[http][client]") {
    std::string url;
    {
        auto listener = net::TcpListener::listen("127.0.0.1:0").value();
        url = "http://127.0.0.1:" + std::to_string(listener.port()) + "/";
    }
    Client client;
    REEVE_EXPECT(client.get(url).error() == Errc::refused);
    REEVE_EXPECT(client.get("http://a b/").error() == Errc::malformed);
    ClientRequest request;
    request.url = url;
    request.method = "GET / HTTP/1.1\r\nX:";
    REEVE_EXPECT(client.request(std::move(request)).error() == Errc::malformed);
}
