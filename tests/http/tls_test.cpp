// The server and the client over TLS; the handshake itself is tested in tests/net/tls_test.cpp.

#include "net/tls.hpp"

#include "tests/http/test_server.hpp"
#include "tests/support/certificates.hpp"

using namespace std::chrono_literals;
using namespace reeve;
using http::Client;
using http::ClientConfig;
using http::ClientRequest;
using http::Request;
using http::Response;
using test::RawPeer;
using test::TestServer;

namespace {

test::Certificates& certificates() {
    static test::Certificates made;
    return made;
}

net::TlsConfig server_config(const std::string& names) {
    const test::CertificateFiles files = certificates().signed_for(names);
    return net::TlsConfig::server({.certificate_file = files.certificate, .key_file = files.key}).value();
}

Client trusting_client() {
    ClientConfig config;
    config.tls = net::TlsConfig::client({.trust_system = false, .ca_file = certificates().authority()}).value();
    return Client(config);
}

std::string url(const TestServer& server, std::string_view path) {
    return "https://localhost:" + std::to_string(server.port()) + std::string(path);
}

}  // namespace

REEVE_TEST("https: requests, reuse, large bodies both ways", "[http][tls]") {
    TestServer server(
        [](http::Server& s) {
            s.handle("POST", "/echo", [](Request& request, Response& response) {
                REEVE_EXPECT(request.is_tls());
                const auto body = request.body();
                if (body) response.text(200, *body);
            });
        },
        {}, server_config("DNS:localhost"));
    Client client = trusting_client();
    for (const std::size_t size : {5u, 50'000u, 500'000u}) {
        const std::string body(size, 'x');
        auto answer = client.post(url(server, "/echo"), body, {}, test::k_patience);
        if (!REEVE_EXPECT(answer)) return;
        REEVE_EXPECT(answer->reused_connection() == (size > 5));
        const auto echoed = answer->body(test::k_patience);
        REEVE_EXPECT(echoed && *echoed == body);
    }
}

REEVE_TEST("https: events arrive one by one, and leaving cancels the handler", "[http][tls]") {
    Channel<bool> go_on(1);
    Channel<bool> left(1);
    TestServer server(
        [=](http::Server& s) {
            s.handle("GET", "/events", [=](Request&, Response& response) {
                auto events = response.events();
                for (int i = 0; events.send(std::to_string(i)); ++i)
                    if (!go_on.recv(test::k_patience)) break;
                (void)left.try_send(true);
            });
        },
        {}, server_config("DNS:localhost"));
    Client client = trusting_client();
    {
        ClientRequest request;
        request.url = url(server, "/events");
        auto answer = client.events(std::move(request), test::k_patience);
        if (!REEVE_EXPECT(answer)) return;
        for (int i = 0; i < 3; ++i) {
            const auto event = answer->next_event(test::k_patience);
            REEVE_EXPECT(event && event->data == std::to_string(i));
            if (i < 2) (void)go_on.send(true);
        }
    }
    REEVE_EXPECT(left.recv(test::k_patience));
}

REEVE_TEST("https: the wrong name, the wrong authority, the wrong protocol", "[http][tls]") {
    const auto routes = [](http::Server& s) {
        s.handle("GET", "/", [](Request&, Response& response) { response.text(200, "hello"); });
    };
    TestServer elsewhere(routes, {}, server_config("DNS:example.org"));
    Client client = trusting_client();
    REEVE_EXPECT(client.get(url(elsewhere, "/"), {}, test::k_patience).error() == Errc::tls);

    TestServer here(routes, {}, server_config("DNS:localhost"));
    Client stranger;  // trusts the system's authorities, of which ours is none
    REEVE_EXPECT(stranger.get(url(here, "/"), {}, test::k_patience).error() == Errc::tls);
    REEVE_EXPECT(client.get("https://127.0.0.1:" + std::to_string(here.port()) + "/").error() == Errc::tls);
    REEVE_EXPECT(!stranger.get(here.url("/"), {}, test::k_patience));  // http to the https port

    auto answer = client.get(url(here, "/"), {}, test::k_patience);
    REEVE_EXPECT(answer && answer->status() == 200);
}
