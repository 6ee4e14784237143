#include "http/sse.hpp"

#include <vector>

#include "tests/support/catch.hpp"

using namespace std::string_literals;
using reeve::Errc;
using reeve::http::ServerEvent;
using reeve::http::SseParser;

namespace {

// "event|data" of every event; "!" when the parser refuses.
std::vector<std::string> drain(SseParser& parser, std::vector<std::string> out = {}) {
    for (;;) {
        auto event = parser.next();
        if (!event) {
            out.push_back("!");
            return out;
        }
        if (!*event) return out;
        out.push_back((*event)->event + "|" + (*event)->data);
    }
}

std::vector<std::string> parse(std::string_view text, std::size_t split, bool finish = true) {
    SseParser parser;
    std::vector<std::string> out;
    parser.feed(text.substr(0, split));
    out = drain(parser, std::move(out));
    parser.feed(text.substr(split));
    out = drain(parser, std::move(out));
    if (finish) parser.finish();
    return drain(parser, std::move(out));
}

void check_everywhere(std::string_view text, const std::vector<std::string>& expected) {
    for (std::size_t split = 0; split <= text.size(); ++split) {
        INFO("split at " << split);
        CHECK(parse(text, split) == expected);
    }
    SseParser single;
    std::vector<std::string> out;
    for (const char c : text) {
        single.feed({&c, 1});
        out = drain(single, std::move(out));
    }
    single.finish();
    CHECK(drain(single, std::move(out)) == expected);
}

}  // namespace

TEST_CASE("sse: what real upstreams send", "[http][sse]") {
    check_everywhere("data: one\n\ndata: two\n\n", {"|one", "|two"});
    check_everywhere("data:one\n\ndata:  two\n\n", {"|one", "| two"});
    check_everywhere("data: one\r\n\r\ndata: two\r\n\r\n", {"|one", "|two"});
    check_everywhere("data: one\r\rdata: two\r\r", {"|one", "|two"});
    check_everywhere(": OPENROUTER PROCESSING\n\n: keep-alive\n\ndata: one\n\n:\n\n", {"|one"});
    check_everywhere("event: ping\ndata: {}\n\ndata: [DONE]\n\n", {"ping|{}", "|[DONE]"});
    check_everywhere("data: a\ndata: b\ndata\n\n", {"|a\nb\n"});
    check_everywhere("id: 7\nretry: 10\nunknown: x\ndata: a\n\n", {"|a"});
    check_everywhere("id: 7\nevent: lost\n\ndata: a\n\n", {"|a"});
    check_everywhere("\n\n\ndata: a\n\n\n\n", {"|a"});
    check_everywhere("data:\n\n", {"|"});
    check_everywhere("\xef\xbb\xbf" "data: a\n\n", {"|a"});
    check_everywhere("data: \xe2\x82\xac \xf0\x9f\x98\x80\n\n", {"|\xe2\x82\xac \xf0\x9f\x98\x80"});
    check_everywhere("", {});
    check_everywhere("\n", {});
}

TEST_CASE("sse: the end of the stream ends the last event", "[http][sse]") {
    check_everywhere("data: a\n\ndata: b\n", {"|a", "|b"});
    check_everywhere("data: a\n\ndata: b", {"|a", "|b"});
    CHECK(parse("data: a\n\ndata: b", 3, false) == std::vector<std::string>{"|a"});
}

TEST_CASE("sse: ids belong to their event", "[http][sse]") {
    SseParser parser;
    parser.feed("id: 1\ndata: a\n\ndata: b\n\n");
    CHECK(parser.next().value()->id == "1");
    CHECK(parser.next().value()->id.empty());
}

TEST_CASE("sse: large frames pass, endless ones do not", "[http][sse]") {
    const std::string large(300'000, 'x');
    SseParser parser(400'000);
    for (std::size_t at = 0; at < large.size(); at += 1000) parser.feed((at == 0 ? "data: " : "") + large.substr(at, 1000));
    CHECK_FALSE(parser.next().value());
    parser.feed("\n\n");
    CHECK(parser.next().value()->data == large);
    parser.feed("data: x\n\n");
    CHECK(parser.next().value()->data == "x");
    CHECK(parser.buffered_bytes() == 0);

    SseParser line(1000);
    line.feed("data: " + std::string(2000, 'x'));
    CHECK(line.next().error() == Errc::too_large);
    line.feed("\n\n");
    CHECK(line.next().error() == Errc::too_large);

    SseParser lines(1000);
    for (int i = 0; i < 100; ++i) lines.feed("data: 0123456789012345678901234567890123456789\n");
    CHECK(lines.next().error() == Errc::too_large);
}
