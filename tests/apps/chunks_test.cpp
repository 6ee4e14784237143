#include "apps/gateway/chunks.hpp"

#include <string>
#include <vector>

#include "http/json.hpp"
#include "http/sse.hpp"
#include "tests/support/catch.hpp"

using reeve::gateway::CompletionChunks;
using reeve::gateway::CompletionId;
using reeve::gateway::CompletionText;
using reeve::http::JsonDocument;

static const CompletionId k_who{"chatcmpl-1", 1700000000, "a \"model\""};

// The frames as a client sees them; each must be one line of valid JSON.
static std::vector<JsonDocument> parsed(const std::string& frames) {
    std::vector<JsonDocument> documents;
    reeve::http::SseParser parser;
    parser.feed(frames);
    for (;;) {
        auto event = parser.next();
        REQUIRE(event);
        if (!*event) break;
        CHECK((*event)->event.empty());
        CHECK((*event)->data.find('\n') == std::string::npos);
        auto document = JsonDocument::parse((*event)->data);
        REQUIRE(document);
        documents.push_back(std::move(document).value());
    }
    return documents;
}

TEST_CASE("chunks: role, delta, finish, usage", "[gateway]") {
    const CompletionChunks chunks(k_who, true);
    std::string frames;
    chunks.append_role(frames, 0);
    chunks.append_delta(frames, 1, "caf\xc3\xa9 \"x\"\n");
    chunks.append_finish(frames, 1, "stop");
    chunks.append_usage(frames, {3, 4});
    CHECK(frames.ends_with("\n\n"));
    const auto documents = parsed(frames);
    REQUIRE(documents.size() == 4);
    for (const JsonDocument& document : documents) {
        CHECK(document["id"].string_or("") == "chatcmpl-1");
        CHECK(document["object"].string_or("") == "chat.completion.chunk");
        CHECK(document["created"].int_or(0) == 1700000000);
        CHECK(document["model"].string_or("") == "a \"model\"");
        CHECK(document["choices"].is_array());
    }
    const auto role = documents[0]["choices"][0];
    CHECK(role["index"].int_or(-1) == 0);
    CHECK(role["delta"]["role"].string_or("") == "assistant");
    CHECK(role["delta"]["content"].string_or("-") == "");
    CHECK(role["finish_reason"].is_null());
    CHECK(documents[0]["usage"].is_null());

    const auto delta = documents[1]["choices"][0];
    CHECK(delta["index"].int_or(-1) == 1);
    CHECK(delta["delta"]["content"].string_or("") == "caf\xc3\xa9 \"x\"\n");
    CHECK(!delta["delta"].contains("role"));

    const auto finish = documents[2]["choices"][0];
    CHECK(finish["delta"].is_object());
    CHECK(finish["delta"].size() == 0);
    CHECK(finish["finish_reason"].string_or("") == "stop");

    CHECK(documents[3]["choices"].size() == 0);
    CHECK(documents[3]["usage"]["prompt_tokens"].int_or(0) == 3);
    CHECK(documents[3]["usage"]["completion_tokens"].int_or(0) == 4);
    CHECK(documents[3]["usage"]["total_tokens"].int_or(0) == 7);
}

TEST_CASE("chunks: no member usage for clients that did not ask", "[gateway]") {
    const CompletionChunks chunks(k_who, false);
    std::string frames;
    chunks.append_role(frames, 0);
    chunks.append_delta(frames, 0, "x");
    chunks.append_finish(frames, 0, "length");
    for (const JsonDocument& document : parsed(frames)) CHECK(!document.root().contains("usage"));
    frames.clear();
    chunks.append_usage(frames, {1, 1});
    CHECK(parsed(frames).at(0)["usage"]["total_tokens"].int_or(0) == 2);
}

TEST_CASE("chunks: an error frame has the shape of an error answer", "[gateway]") {
    std::string frame;
    reeve::gateway::append_error_frame(frame, "it broke", "upstream_error", "cut");
    const auto documents = parsed(frame);
    REQUIRE(documents.size() == 1);
    CHECK(documents[0]["error"]["message"].string_or("") == "it broke");
    CHECK(documents[0]["error"]["type"].string_or("") == "upstream_error");
    CHECK(documents[0]["error"]["param"].is_null());
    CHECK(documents[0]["error"]["code"].string_or("") == "cut");
}

TEST_CASE("chunks: an answer in one piece", "[gateway]") {
    CompletionText text(k_who);
    text.add_choice("one", "stop");
    text.add_choice("two", "length");
    const auto document = JsonDocument::parse(text.finish({10, 20}));
    REQUIRE(document);
    const auto& answer = *document;
    CHECK(answer["object"].string_or("") == "chat.completion");
    CHECK(answer["choices"].size() == 2);
    CHECK(answer["choices"][1]["index"].int_or(0) == 1);
    CHECK(answer["choices"][1]["message"]["role"].string_or("") == "assistant");
    CHECK(answer["choices"][1]["message"]["content"].string_or("") == "two");
    CHECK(answer["choices"][1]["finish_reason"].string_or("") == "length");
    CHECK(answer["usage"]["total_tokens"].int_or(0) == 30);
}
