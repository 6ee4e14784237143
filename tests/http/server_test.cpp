#include "http/server.hpp"

#include <signal.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/http/test_server.hpp"

using namespace std::chrono_literals;
using namespace reeve;
using http::Request;
using http::Response;
using test::RawPeer;
using test::TestServer;

namespace {

std::string get(std::string_view path, std::string_view more = {}) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more) + "\r\n";
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string body_of(const std::string& message) {
    const std::size_t end = message.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : message.substr(end + 4);
}

void usual_routes(http::Server& server) {
    server.handle("GET", "/", [](Request&, Response& response) { response.text(200, "hello"); });
    server.handle("GET", "/name/{name}", [](Request& request, Response& response) {
        response.text(200, std::string(request.path_value("name")) + request.query("q").value_or("-"));
    });
    server.handle("POST", "/echo", [](Request& request, Response& response) {
        const auto body = request.body();
        if (body) response.text(200, *body);
    });
    server.handle("POST", "/ignore", [](Request&, Response& response) { response.text(200, "ignored"); });
    server.handle("GET", "/throw", [](Request&, Response&) { throw std::runtime_error("on purpose"); });
    server.handle("GET", "/late-throw", [](Request&, Response& response) {
        auto body = response.begin(200);
        (void)body.write("begun");
        throw std::runtime_error("on purpose, late");
    });
    server.handle("GET", "/nothing", [](Request&, Response&) {});
    server.handle("GET", "/empty", [](Request&, Response& response) { response.send(204, {}, ""); });
    server.handle("GET", "/events", [](Request&, Response& response) {
        auto events = response.events();
        REEVE_EXPECT(events.send("one"));
        REEVE_EXPECT(events.send("two\nlines"));
        REEVE_EXPECT(events.send_named("name", "three"));
        REEVE_EXPECT(events.send_comment("ping"));
        REEVE_EXPECT(events.finish("[DONE]"));
    });
}

constexpr std::string_view k_events =
    "b\r\ndata: one\n\n\r\n17\r\ndata: two\ndata: lines\n\n\r\n19\r\nevent: name\ndata: three\n\n\r\n"
    "8\r\n: ping\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

}  // namespace

REEVE_TEST("server: answers, and keeps the connection", "[http][server]") {
    TestServer server(usual_routes);
    RawPeer peer = server.connect();
    for (int i = 0; i < 3; ++i) {
        peer.send(get("/"));
        const std::string answer = peer.read_message();
        REEVE_EXPECT(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        REEVE_EXPECT(has(answer, "\r\nDate: "));
        REEVE_EXPECT(has(answer, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
        REEVE_EXPECT(body_of(answer) == "hello");
    }
    peer.send(get("/name/a%20b%2Fc?x=1&q=z+%41", "Connection: close\r\n"));
    const std::string last = peer.read_all();
    REEVE_EXPECT(has(last, "\r\nConnection: close\r\n"));
    REEVE_EXPECT(body_of(last) == "a b/cz A");
    REEVE_EXPECT(peer.ended());
}

REEVE_TEST("server: pipelined requests are answered in order", "[http][server]") {
    TestServer server([](http::Server& s) {
        s.handle("GET", "/{n}", [](Request& request, Response& response) {
            if (request.path_value("n") == "0") sleep_for(20ms);
            response.text(200, request.path_value("n"));
        });
    });
    RawPeer peer = server.connect();
    std::string all;
    for (int i = 0; i < 20; ++i) all += get("/" + std::to_string(i));
    peer.send(all);
    for (int i = 0; i < 20; ++i) REEVE_EXPECT(body_of(peer.read_message()) == std::to_string(i));
}

REEVE_TEST("server: a request that arrives byte by byte", "[http][server]") {
    TestServer server(usual_routes);
    RawPeer peer = server.connect();
    const std::string request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (const char c : request) {
        peer.send({&c, 1});
        this_fiber::yield();
    }
    REEVE_EXPECT(body_of(peer.read_message()) == "abc");
}

REEVE_TEST("server: every refusal has the JSON shape, and the server goes on", "[http][server]") {
    http::Limits limits;
    limits.target_bytes = 100;
    limits.head_bytes = 1000;
    limits.body_bytes = 10;
    limits.discard_bytes = 100;
    limits.head_timeout = 30ms;
    limits.body_timeout = 30ms;
    TestServer server(usual_routes, limits);
    const std::string post = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    const struct {
        int status;
        std::string request;
    } cases[] = {
        {400, "rubbish\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi"},
        {400, post + "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"},
        {404, get("/nowhere", "Connection: close\r\n")},
        {405, "DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"},
        {408, "GET / HTTP/1.1\r\nHost"},
        {408, post + "Content-Length: 5\r\n\r\nhi"},
        {411, "POST /echo HTTP/1.0\r\n\r\n"},
        {413, post + "Content-Length: 11\r\n\r\nhello world"},
        {413, post + "Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"},
        {414, get("/" + std::string(200, 'a'))},
        {417, post + "Content-Length: 2\r\nExpect: magic\r\n\r\nhi"},
        {431, get("/", "X: " + std::string(2000, 'x') + "\r\n")},
        {500, get("/throw", "Connection: close\r\n")},
        {500, get("/nothing", "Connection: close\r\n")},
        {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {501, post + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
    };
    for (const auto& c : cases) {
        const std::string answer = server.exchange(c.request);
        const bool status = answer.starts_with("HTTP/1.1 " + std::to_string(c.status) + " ");
        const auto json = http::JsonDocument::parse(body_of(answer));
        const bool shape = json && json->root()["error"]["message"].string_or("").size() > 0 &&
                           json->root()["error"]["type"].is_string() && json->root()["error"]["param"].is_null() &&
                           json->root()["error"].contains("code");
        if (!REEVE_EXPECT(status && shape)) warn("wanted %d, got: %s", c.status, answer.c_str());
        if (c.status == 405) REEVE_EXPECT(has(answer, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    }
    REEVE_EXPECT(body_of(server.exchange(get("/", "Connection: close\r\n"))) == "hello");
}

REEVE_TEST("server: a handler that throws costs only its own answer", "[http][server]") {
    TestServer server(usual_routes);
    RawPeer peer = server.connect();
    peer.send(get("/throw"));
    REEVE_EXPECT(peer.read_message().starts_with("HTTP/1.1 500 "));
    peer.send(get("/"));
    REEVE_EXPECT(body_of(peer.read_message()) == "hello");
    // The head has gone: the missing end tells the client.
    peer.send(get("/late-throw"));
    const std::string cut = peer.read_all();
    REEVE_EXPECT(has(cut, "5\r\nbegun\r\n"));
    REEVE_EXPECT(!has(cut, "0\r\n\r\n"));
}

REEVE_TEST("server: bodies, read whole and in pieces, and left unread", "[http][server]") {
    TestServer server([](http::Server& s) {
        usual_routes(s);
        s.handle("POST", "/pieces", [](Request& request, Response& response) {
            std::string out;
            std::byte piece[3];
            for (;;) {
                const auto got = request.read(piece);
                if (!got) {
                    REEVE_EXPECT(got.error() == Errc::eof);
                    break;
                }
                out.append(reinterpret_cast<const char*>(piece), *got) += "|";
            }
            response.text(200, out);
        });
    });
    RawPeer peer = server.connect();
    const std::string large(300'000, 'x');
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + large);
    REEVE_EXPECT(body_of(peer.read_message()) == large);
    peer.send("POST /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n1234567");
    REEVE_EXPECT(body_of(peer.read_message()) == "123|456|7|");
    peer.send("POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + get("/"));
    REEVE_EXPECT(body_of(peer.read_message()) == "ignored");
    REEVE_EXPECT(body_of(peer.read_message()) == "hello");
    // Too much to skip: the connection ends, but in order, and the answer arrives.
    peer.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + large);
    const std::string answer = peer.read_all();
    REEVE_EXPECT(has(answer, "\r\nConnection: close\r\n"));
    REEVE_EXPECT(body_of(answer) == "ignored");
    REEVE_EXPECT(peer.ended());
}

REEVE_TEST("server: 100 Continue is sent when the handler reads, and only then", "[http][server]") {
    TestServer server(usual_routes);
    RawPeer peer = server.connect();
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    REEVE_EXPECT(peer.read_message() == "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("hi");
    REEVE_EXPECT(body_of(peer.read_message()) == "hi");
    peer.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    const std::string answer = peer.read_message();
    REEVE_EXPECT(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    REEVE_EXPECT(has(answer, "\r\nConnection: close\r\n"));
}

REEVE_TEST("server: HEAD, 204 and OPTIONS have no body", "[http][server]") {
    TestServer server(usual_routes);
    RawPeer peer = server.connect();
    peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/empty"));
    const std::string head = peer.read_message(false);
    REEVE_EXPECT(has(head, "\r\nContent-Length: 5\r\n"));
    const std::string empty = peer.read_message();
    REEVE_EXPECT(empty.starts_with("HTTP/1.1 204 No Content\r\n"));
    REEVE_EXPECT(!has(empty, "Content-Length"));
    peer.send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    REEVE_EXPECT(has(peer.read_message(), "\r\nAllow: POST, OPTIONS\r\n"));
    REEVE_EXPECT(has(peer.read_message(), "\r\nAllow: OPTIONS, GET, HEAD, POST\r\n"));
    // The writer of a streamed answer need not know that only its head was asked for.
    peer.send("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n" + get("/"));
    REEVE_EXPECT(has(peer.read_message(false), "\r\nTransfer-Encoding: chunked\r\n"));
    REEVE_EXPECT(body_of(peer.read_message()) == "hello");
}

REEVE_TEST("server: event streams are chunked, flushed, and end so that the connection lives", "[http][server]") {
    TestServer server(usual_routes);
    RawPeer peer = server.connect();
    for (int i = 0; i < 2; ++i) {
        peer.send(get("/events"));
        const std::string head = peer.read_message();
        REEVE_EXPECT(has(head, "\r\nContent-Type: text/event-stream; charset=utf-8\r\n"));
        REEVE_EXPECT(has(head, "\r\nCache-Control: no-cache, no-transform\r\n"));
        REEVE_EXPECT(has(head, "\r\nX-Accel-Buffering: no\r\n"));
        REEVE_EXPECT(peer.read_until("0\r\n\r\n") == k_events);
    }
    // HTTP/1.0 knows no chunks: the body ends with the connection.
    peer.send("GET /events HTTP/1.0\r\n\r\n");
    const std::string old = peer.read_all();
    REEVE_EXPECT(has(old, "\r\nConnection: close\r\n"));
    REEVE_EXPECT(body_of(old) ==
                 "data: one\n\ndata: two\ndata: lines\n\nevent: name\ndata: three\n\n: ping\n\ndata: [DONE]\n\n");
}

REEVE_TEST("server: streamed bodies with a length", "[http][server]") {
    TestServer server([](http::Server& s) {
        s.handle("GET", "/whole", [](Request&, Response& response) {
            auto body = response.begin(201, {{"Content-Length", "6"}, {"X-A", "b"}});
            REEVE_EXPECT(body.write("abc"));
            REEVE_EXPECT(body.finish("def"));
            REEVE_EXPECT(!body.write("more"));
        });
        s.handle("GET", "/short", [](Request&, Response& response) {
            auto body = response.begin(200, {{"Content-Length", "6"}});
            REEVE_EXPECT(body.write("abc"));
        });
    });
    RawPeer peer = server.connect();
    peer.send(get("/whole") + get("/short") + get("/whole"));
    const std::string whole = peer.read_message();
    REEVE_EXPECT(whole.starts_with("HTTP/1.1 201 Created\r\nX-A: b\r\n"));
    REEVE_EXPECT(body_of(whole) == "abcdef");
    REEVE_EXPECT(body_of(peer.read_all()) == "abc");
}

REEVE_TEST("server: a client that leaves cancels its handler", "[http][server]") {
    Channel<bool> started(1);
    Channel<bool> cancelled(1);
    TestServer server([=](http::Server& s) {
        s.handle("GET", "/wait", [=](Request& request, Response&) {
            (void)started.send(true);
            const bool slept = sleep_for(60s).has_value();
            (void)cancelled.try_send(!slept && request.cancelled());
        });
        s.handle("GET", "/stream", [=](Request&, Response& response) {
            auto events = response.events();
            (void)started.send(true);
            while (events.send("tick")) sleep_for(1ms);
            (void)cancelled.try_send(true);
        });
    });
    for (const char* path : {"/wait", "/stream"}) {
        RawPeer peer = server.connect();
        peer.send(get(path));
        REEVE_EXPECT(started.recv(test::k_patience));
        peer.close();
        const auto told = cancelled.recv(test::k_patience);
        REEVE_EXPECT(told && *told);
    }
}

REEVE_TEST("server: stop lets requests in flight finish and closes idle connections", "[http][server]") {
    Channel<bool> started(1);
    Channel<bool> go_on(1);
    TestServer server([=](http::Server& s) {
        usual_routes(s);
        s.handle("GET", "/wait", [=](Request&, Response& response) {
            (void)started.send(true);
            (void)go_on.recv(test::k_patience);
            response.text(200, "done");
        });
    });
    RawPeer idle = server.connect();
    idle.send(get("/"));
    REEVE_EXPECT(body_of(idle.read_message()) == "hello");
    RawPeer busy = server.connect();
    busy.send(get("/wait"));
    REEVE_EXPECT(started.recv(test::k_patience));
    server.server().stop();
    REEVE_EXPECT(idle.read_all().empty());
    (void)go_on.send(true);
    const std::string answer = busy.read_all();
    REEVE_EXPECT(body_of(answer) == "done");
    REEVE_EXPECT(has(answer, "\r\nConnection: close\r\n"));
    REEVE_EXPECT(server.stop());
    REEVE_EXPECT(server.server().connections() == 0u);
}

REEVE_TEST("server: what does not finish in the drain time is cancelled", "[http][server]") {
    http::Limits limits;
    limits.drain_timeout = 20ms;
    Channel<bool> started(1);
    TestServer server(
        [=](http::Server& s) {
            s.handle("GET", "/wait", [=](Request&, Response& response) {
                (void)started.send(true);
                REEVE_EXPECT(!sleep_for(60s));
                response.text(200, "cut short");
            });
        },
        limits);
    RawPeer peer = server.connect();
    peer.send(get("/wait"));
    REEVE_EXPECT(started.recv(test::k_patience));
    REEVE_EXPECT(server.stop());
}

REEVE_TEST("server: more connections than allowed wait their turn", "[http][server]") {
    http::Limits limits;
    limits.connections = 2;
    TestServer server(usual_routes, limits);
    RawPeer first = server.connect();
    RawPeer second = server.connect();
    RawPeer third = server.connect();
    for (RawPeer* peer : {&first, &second}) {
        peer->send(get("/"));
        REEVE_EXPECT(body_of(peer->read_message()) == "hello");
    }
    third.send(get("/"));
    REEVE_EXPECT(server.server().connections() == 2u);
    first.close();
    REEVE_EXPECT(body_of(third.read_message()) == "hello");
}

REEVE_TEST("server: a reader that takes nothing is given up", "[http][server]") {
    http::Limits limits;
    limits.write_timeout = 30ms;
    Channel<bool> timed_out(1);
    TestServer server(
        [=](http::Server& s) {
            s.handle("GET", "/", [=](Request&, Response& response) {
                auto body = response.begin(200);
                const std::string piece(100'000, 'x');
                for (;;) {
                    const auto written = body.write(piece);
                    if (written) continue;
                    (void)timed_out.send(written.error() == Errc::timed_out);
                    return;
                }
            });
        },
        limits);
    RawPeer peer = server.connect();
    peer.send(get("/"));
    const auto told = timed_out.recv(test::k_patience);
    REEVE_EXPECT(told && *told);
}

REEVE_TEST("server: idle connections are closed after their time", "[http][server]") {
    http::Limits limits;
    limits.idle_timeout = 20ms;
    TestServer server(usual_routes, limits);
    RawPeer peer = server.connect();
    peer.send(get("/"));
    REEVE_EXPECT(body_of(peer.read_message()) == "hello");
    REEVE_EXPECT(peer.read_all().empty());
    REEVE_EXPECT(peer.ended());
}

REEVE_TEST("server: serve repeats an error of listen that was ignored", "[http][server]") {
    http::Server server;
    server.listen("127.0.0.1:notaport");
    REEVE_EXPECT(!server.serve());
}

REEVE_TEST("server: SIGTERM ends the serving in order", "[http][server]") {
    if (test::is_thread_sanitized()) {
        test::leave_out("ThreadSanitizer keeps signals back from threads that wait");
        return;
    }
    http::Server server;
    usual_routes(server);
    REEVE_EXPECT(server.listen("127.0.0.1:0"));
    auto serving = spawn([&] { return server.serve_until_signal().has_value(); });
    RawPeer peer(server.port());
    peer.send(get("/"));
    REEVE_EXPECT(body_of(peer.read_message()) == "hello");
    ::kill(::getpid(), SIGTERM);
    REEVE_EXPECT(peer.read_all().empty());
    REEVE_EXPECT(serving.join());
}

REEVE_TEST("server: cancelling the fiber that serves stops the server", "[http][server]") {
    http::Server server;
    usual_routes(server);
    REEVE_EXPECT(server.listen("127.0.0.1:0"));
    auto serving = spawn([&] { return server.serve().has_value(); });
    RawPeer peer(server.port());
    peer.send(get("/"));
    REEVE_EXPECT(body_of(peer.read_message()) == "hello");
    serving.cancel();
    (void)serving.join();
    REEVE_EXPECT(peer.read_all().empty());
}
