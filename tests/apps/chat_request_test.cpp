#include "apps/gateway/chat_request.hpp"

#include <string>

#include "tests/support/catch.hpp"

using reeve::gateway::ChatRequest;
using reeve::gateway::parse_chat_request;
using reeve::gateway::parse_stream_flag;
using reeve::gateway::Problem;

// A request with one message, and more members before it.
static std::string with(const std::string& members) {
    return "{" + members + (members.empty() ? "" : ",") +
           R"("model":"m","messages":[{"role":"user","content":"Tell me about lighthouses."}]})";
}

static Problem refused(const std::string& body) {
    Problem problem;
    CHECK(!parse_chat_request(body, problem));
    return problem;
}

static ChatRequest accepted(const std::string& body) {
    Problem problem;
    auto request = parse_chat_request(body, problem);
    INFO(body << ": " << problem.message);
    REQUIRE(request.has_value());
    return *request;
}

TEST_CASE("chat request: the least that is needed", "[gateway]") {
    const ChatRequest request = accepted(with(""));
    CHECK(request.model == "m");
    CHECK(request.topic == "lighthouses");
    CHECK(request.prompt_tokens > 5);
    CHECK(request.prompt_tokens < 20);
    CHECK(!request.is_stream);
    CHECK(!request.has_usage_chunk);
    CHECK(request.choices == 1);
    CHECK(!request.tokens_max);
    CHECK(!request.seed);
    CHECK(request.stop.empty());
}

TEST_CASE("chat request: everything that is used is read", "[gateway]") {
    const ChatRequest request = accepted(
        with(R"("stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"max_tokens":7,
                "stop":["\n","END",""],"n":3,"seed":-5,"temperature":0.5,"top_p":1)"));
    CHECK(request.is_stream);
    CHECK(request.has_usage_chunk);
    CHECK(request.tokens_max == 7);
    CHECK(request.stop == std::vector<std::string>{"\n", "END"});
    CHECK(request.choices == 3);
    CHECK(request.seed == -5);
}

TEST_CASE("chat request: max_completion_tokens is the newer name and wins", "[gateway]") {
    CHECK(accepted(with(R"("max_completion_tokens":9)")).tokens_max == 9);
    CHECK(accepted(with(R"("max_completion_tokens":9,"max_tokens":5)")).tokens_max == 9);
}

TEST_CASE("chat request: stop may be one string", "[gateway]") {
    CHECK(accepted(with(R"("stop":"x")")).stop == std::vector<std::string>{"x"});
}

TEST_CASE("chat request: null means left out", "[gateway]") {
    const ChatRequest request = accepted(with(
        R"("stream":null,"stream_options":null,"max_tokens":null,"stop":null,"n":null,"seed":null,"temperature":null)"));
    CHECK(!request.is_stream);
    CHECK(request.choices == 1);
}

TEST_CASE("chat request: unknown fields are never an error", "[gateway]") {
    (void)accepted(with(R"("tools":[{"type":"function"}],"next_years_field":{"a":[1,2]},"logit_bias":{},"user":"u")"));
}

TEST_CASE("chat request: content as parts, tool calls without content", "[gateway]") {
    const ChatRequest request = accepted(R"({"model":"m","messages":[
        {"role":"system","content":"Be brief."},
        {"role":"assistant","content":null,"tool_calls":[]},
        {"role":"tool","content":"42","tool_call_id":"x"},
        {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}},
                                  {"type":"text","text":"What is a harpsichord?"}]}]})");
    CHECK(request.topic == "harpsichord");
}

TEST_CASE("chat request: equal prompts have equal hashes, others not", "[gateway]") {
    const auto hash = [](const std::string& members, const std::string& a, const std::string& b) {
        return accepted("{" + members + R"(,"messages":[{"role":"user","content":")" + a +
                        R"("},{"role":"user","content":")" + b + "\"}]}")
            .prompt_hash;
    };
    const auto one = hash(R"("model":"m")", "ab", "c");
    const auto two = hash(R"("model":"m")", "a", "bc");
    const auto three = hash(R"("model":"x","n":2)", "a", "bc");
    CHECK(one != two);
    CHECK(two == three);
}

TEST_CASE("chat request: each mistake names its field", "[gateway]") {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"messages":[]})", "model"},
        {R"({"model":7,"messages":[]})", "model"},
        {R"({"model":"m"})", "messages"},
        {R"({"model":"m","messages":"hello"})", "messages"},
        {R"({"model":"m","messages":[]})", "messages"},
        {R"({"model":"m","messages":["hello"]})", "messages[0]"},
        {R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"boss","content":"b"}]})", "messages[1].role"},
        {R"({"model":"m","messages":[{"content":"a"}]})", "messages[0].role"},
        {R"({"model":"m","messages":[{"role":"user"}]})", "messages[0].content"},
        {R"({"model":"m","messages":[{"role":"user","content":5}]})", "messages[0].content"},
        {R"({"model":"m","messages":[{"role":"user","content":["a"]}]})", "messages[0].content[0]"},
        {R"({"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]})", "messages[0].content[0].text"},
    };
    for (const auto& [body, param] : cases) {
        INFO(body);
        const Problem problem = refused(body);
        CHECK(problem.status == 400);
        CHECK(problem.type == "invalid_request_error");
        CHECK(problem.param == param);
        CHECK(!problem.message.empty());
    }
}

TEST_CASE("chat request: wrong types and ranges of options", "[gateway]") {
    const std::pair<const char*, const char*> cases[] = {
        {R"("stream":"yes")", "stream"},
        {R"("stream_options":true)", "stream_options"},
        {R"("stream_options":{"include_usage":1})", "stream_options.include_usage"},
        {R"("max_tokens":0)", "max_tokens"},
        {R"("max_tokens":1.5)", "max_tokens"},
        {R"("max_completion_tokens":-1)", "max_completion_tokens"},
        {R"("n":0)", "n"},
        {R"("n":9)", "n"},
        {R"("seed":"a")", "seed"},
        {R"("stop":5)", "stop"},
        {R"("stop":["a",5])", "stop[1]"},
        {R"("stop":["a","b","c","d","e"])", "stop"},
        {R"("temperature":"hot")", "temperature"},
        {R"("temperature":2.1)", "temperature"},
        {R"("top_p":-0.1)", "top_p"},
    };
    for (const auto& [members, param] : cases) {
        INFO(members);
        CHECK(refused(with(members)).param == param);
    }
}

TEST_CASE("chat request: what is no JSON object", "[gateway]") {
    CHECK(refused("{\"model\":").code == "invalid_json");
    CHECK(refused("").code == "invalid_json");
    CHECK(refused("[]").code == "invalid_type");
    CHECK(refused(std::string(100'000, '[')).status == 400);
}

TEST_CASE("chat request: for a forwarded one only the stream flag counts", "[gateway]") {
    Problem problem;
    CHECK(parse_stream_flag(R"({"stream":true,"model":5})", problem) == true);
    CHECK(parse_stream_flag(R"({"n":1000})", problem) == false);
    CHECK(!parse_stream_flag(R"({"n":1000)", problem));
    CHECK(problem.code == "invalid_json");
}
