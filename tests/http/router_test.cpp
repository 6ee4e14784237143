#include "http/router.hpp"

#include "http/parser.hpp"
#include "tests/support/catch.hpp"

using namespace std::string_literals;
using reeve::http::Handler;
using reeve::http::Request;
using reeve::http::Response;
using reeve::http::Router;

namespace reeve::http {
// Requests come from connections only; the test makes its own.
struct RequestMaker {
    static void set(Request& request, std::string_view method, std::string_view target) {
        request.head_.method = method;
        request.head_.target = target;
    }
};
}  // namespace reeve::http

namespace {

// "pattern name=value ...", or "405 allow", or "404".
std::string route(const Router& router, std::string_view method, std::string_view target) {
    Request request;
    reeve::http::RequestMaker::set(request, method, target);
    const Router::Match match = router.find(request);
    if (!match.handler) return match.allow.empty() ? "404" : "405 " + match.allow;
    Response response;
    (*match.handler)(request, response);
    return std::string(response.headers().value_or("pattern"));
}

void add(Router& router, const std::string& method, const std::string& pattern, const std::string& names = "") {
    router.add(method, pattern, [=](Request& request, Response& response) {
        std::string told = pattern;
        for (const char name : names) told += " "s + name + "=" + std::string(request.path_value({&name, 1}));
        response.headers().set("pattern", told);
    });
}

}  // namespace

TEST_CASE("router: literal beats name beats rest, from the left", "[http][router]") {
    Router router;
    add(router, "GET", "/{a...}", "a");
    add(router, "GET", "/x/{a}", "a");
    add(router, "GET", "/x/y");
    add(router, "GET", "/{a}/y", "a");
    add(router, "GET", "/x/{a}/{b}", "ab");
    add(router, "GET", "/x/z/{a...}", "a");
    add(router, "GET", "/");
    CHECK(route(router, "GET", "/") == "/");
    CHECK(route(router, "GET", "/?q") == "/");
    CHECK(route(router, "GET", "/x/y") == "/x/y");
    CHECK(route(router, "GET", "/x/y?q=/") == "/x/y");
    CHECK(route(router, "GET", "/x/q") == "/x/{a} a=q");
    CHECK(route(router, "GET", "/q/y") == "/{a}/y a=q");
    CHECK(route(router, "GET", "/x/q/r") == "/x/{a}/{b} a=q b=r");
    CHECK(route(router, "GET", "/x/z/r") == "/x/z/{a...} a=r");
    CHECK(route(router, "GET", "/x/z/r/s/") == "/x/z/{a...} a=r/s/");
    CHECK(route(router, "GET", "/x/z/") == "/x/z/{a...} a=");
    CHECK(route(router, "GET", "/x/z") == "/x/{a} a=z");
    CHECK(route(router, "GET", "/nothing/of/this") == "/{a...} a=nothing/of/this");
    CHECK(route(router, "GET", "/x/") == "/{a...} a=x/");
}

TEST_CASE("router: escapes are undone after splitting", "[http][router]") {
    Router router;
    add(router, "GET", "/models/{a}", "a");
    add(router, "GET", "/a b");
    CHECK(route(router, "GET", "/models/org%2Fname%20x") == "/models/{a} a=org/name x");
    CHECK(route(router, "GET", "/a%20b") == "/a b");
    CHECK(route(router, "GET", "/%6dodels/x") == "/models/{a} a=x");
    CHECK(route(router, "GET", "/models/") == "404");
    CHECK(route(router, "GET", "/models/x/") == "404");
}

TEST_CASE("router: methods", "[http][router]") {
    Router router;
    add(router, "GET", "/get");
    add(router, "POST", "/post");
    add(router, "POST", "/{a}", "a");
    add(router, "", "/all");
    CHECK(route(router, "HEAD", "/get") == "/get");
    CHECK(route(router, "GET", "/post") == "405 POST, OPTIONS");
    CHECK(route(router, "PUT", "/get") == "405 GET, HEAD, POST, OPTIONS");
    CHECK(route(router, "POST", "/get") == "/{a} a=get");
    CHECK(route(router, "PURGE", "/all") == "/all");
    CHECK(route(router, "GET", "/no/such") == "404");
    CHECK(router.allow_all() == "OPTIONS, GET, HEAD, POST");
}

TEST_CASE("router: a catch-all for OPTIONS does not make paths exist", "[http][router]") {
    Router router;
    add(router, "OPTIONS", "/{a...}", "a");
    add(router, "POST", "/chat");
    CHECK(route(router, "OPTIONS", "/chat") == "/{a...} a=chat");
    CHECK(route(router, "GET", "/chat") == "405 POST, OPTIONS");
    CHECK(route(router, "GET", "/other") == "404");
}
