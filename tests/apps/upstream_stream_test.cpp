#include "apps/gateway/upstream_stream.hpp"

#include <string>

#include "tests/support/catch.hpp"

using reeve::gateway::has_finish_reason;
using reeve::gateway::is_error_frame;
using reeve::gateway::UpstreamStream;
using Verdict = UpstreamStream::Verdict;

TEST_CASE("upstream stream: a finish_reason is told from text that speaks of one", "[gateway]") {
    CHECK(has_finish_reason(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})"));
    CHECK(has_finish_reason("{\"choices\":[{\"finish_reason\" :\n \"length\"}]}"));
    CHECK(has_finish_reason(R"({"choices":[{"finish_reason":null},{"finish_reason":"stop"}]})"));
    CHECK(!has_finish_reason(R"({"choices":[{"delta":{"content":"x"},"finish_reason":null}]})"));
    CHECK(!has_finish_reason(R"({"choices":[{"delta":{"content":"\"finish_reason\":\"stop\""}}]})"));
    CHECK(!has_finish_reason(R"({"choices":[{"delta":{"content":"finish_reason"},"finish_reason":""}]})"));
    CHECK(!has_finish_reason(R"({"fields":["finish_reason","stop"]})"));
    CHECK(!has_finish_reason(""));
}

TEST_CASE("upstream stream: error frames", "[gateway]") {
    CHECK(is_error_frame(R"({"error":{"message":"x"}})"));
    CHECK(is_error_frame(R"( { "error" : "x" })"));
    CHECK(!is_error_frame(R"({"error":null,"choices":[]})"));
    CHECK(!is_error_frame(R"({"id":"x","error":{}})"));
    CHECK(!is_error_frame("[]"));
}

TEST_CASE("upstream stream: passes chunks, drops what clients choke on", "[gateway]") {
    UpstreamStream stream;
    std::string out;
    CHECK(stream.take({"", R"({"choices":[]})", ""}, out) == Verdict::pass);
    CHECK(out == "data: {\"choices\":[]}\n\n");
    out.clear();
    CHECK(stream.take({"ping", "{}", ""}, out) == Verdict::skip);
    CHECK(stream.take({"", "", ""}, out) == Verdict::skip);
    CHECK(stream.take({"", " \n ", ""}, out) == Verdict::skip);
    CHECK(out.empty());
    CHECK(stream.take({"", "{\n\"choices\":\n[]}", "7"}, out) == Verdict::pass);
    CHECK(out == "data: { \"choices\": []}\n\n");
}

TEST_CASE("upstream stream: complete only after a finish_reason", "[gateway]") {
    UpstreamStream stream;
    std::string out;
    CHECK(stream.finish() == Verdict::cut_off);
    CHECK(stream.take({"", "[DONE]", ""}, out) == Verdict::cut_off);
    CHECK(stream.take({"", R"({"choices":[{"finish_reason":"stop"}]})", ""}, out) == Verdict::pass);
    CHECK(stream.take({"", R"({"choices":[],"usage":{}})", ""}, out) == Verdict::pass);
    CHECK(stream.take({"", "[DONE]", ""}, out) == Verdict::done);
    CHECK(stream.finish() == Verdict::done);
}

TEST_CASE("upstream stream: an error ends it", "[gateway]") {
    UpstreamStream stream;
    std::string out;
    CHECK(stream.take({"error", R"({"error":{"message":"x"}})", ""}, out) == Verdict::failed);
    CHECK(out == "data: {\"error\":{\"message\":\"x\"}}\n\n");
}
