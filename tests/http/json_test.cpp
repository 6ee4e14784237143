#include "http/json.hpp"

#include <limits>

#include "tests/support/catch.hpp"

using reeve::Errc;
using reeve::http::append_json_string;
using reeve::http::Json;
using reeve::http::JsonDocument;
using reeve::http::JsonWriter;

namespace {

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("json: reading", "[http][json]") {
    const auto document = JsonDocument::parse(
        R"( {"model":"m","n":3,"big":18446744073709551615,"t":0.5,"whole":5.0,"on":true,"none":null,
             "messages":[{"role":"user","content":"h\u00e9\n"},{"role":"x"}],"o":{"a":1,"b":[]}} )");
    REQUIRE(document);
    const Json root = document->root();
    CHECK(root["model"].as_string() == "m");
    CHECK(root["n"].as_int() == 3);
    CHECK(root["n"].as_double() == 3.0);
    CHECK_FALSE(root["big"].as_int());
    CHECK(root["t"].as_double() == 0.5);
    CHECK_FALSE(root["t"].as_int());
    CHECK(root["whole"].as_int() == 5);
    CHECK(root["on"].as_bool() == true);
    CHECK(root["none"].is_null());
    CHECK(root["none"].exists());
    CHECK(root["messages"].size() == 2);
    CHECK(root["messages"][0]["content"].string_or("") == "h\xc3\xa9\n");
    CHECK(root["o"].member_name(1) == "b");
    CHECK(root["o"].member_value(0).as_int() == 1);
    CHECK(root["o"].text() == R"({"a":1,"b":[]})");
    CHECK(root["big"].text() == "18446744073709551615");
}

TEST_CASE("json: what is missing stays missing", "[http][json]") {
    const auto document = JsonDocument::parse(R"({"a":[1]})");
    REQUIRE(document);
    const Json root = document->root();
    CHECK_FALSE(root["x"].exists());
    CHECK_FALSE(root["x"]["y"][3]["z"].as_string());
    CHECK_FALSE(root["a"]["y"].exists());
    CHECK_FALSE(root["a"][1].exists());
    CHECK_FALSE(root[0].exists());
    CHECK_FALSE(root["a"].as_string());
    CHECK_FALSE(root["a"][0].as_bool());
    CHECK(root["x"].string_or("other") == "other");
    CHECK(root["x"].size() == 0);
    CHECK(root["x"].kind() == Json::Kind::missing);
    CHECK(root.member_name(5).empty());
}

TEST_CASE("json: what is no JSON is refused, with a reason", "[http][json]") {
    for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "{\"a\":1} x", "\"\\q\"", "\"\xff\"", "\"\xc0\xaf\"",
                             "\"\xed\xa0\x80\"", "01", "[1 2]", "{a:1}", "\"a", "\x01"}) {
        INFO(text);
        std::string message;
        const auto document = JsonDocument::parse(text, &message);
        REQUIRE_FALSE(document);
        CHECK(document.error() == Errc::malformed);
        CHECK(message.find("at byte") != std::string::npos);
    }
}

TEST_CASE("json: depth is bounded, and costs no stack", "[http][json]") {
    CHECK(JsonDocument::parse(nested(128)));
    CHECK(JsonDocument::parse(nested(129)).error() == Errc::too_large);
    CHECK(JsonDocument::parse(nested(1'000'000)).error() == Errc::too_large);
    CHECK(JsonDocument::parse(std::string(1'000'000, '[')).error() == Errc::too_large);
    CHECK(JsonDocument::parse(nested(5), nullptr, 4).error() == Errc::too_large);
}

TEST_CASE("json: strings are escaped, and always valid", "[http][json]") {
    CHECK(quoted("a\"b\\c\n\r\t\b\f\x01\x1f\x7f/") == "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\x7f/\"");
    CHECK(quoted(std::string_view("a\0b", 3)) == "\"a\\u0000b\"");
    CHECK(quoted("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") == "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    const std::string bad = "\xef\xbf\xbd";
    CHECK(quoted("a\xff" "b") == "\"a" + bad + "b\"");
    CHECK(quoted("\xc3") == "\"" + bad + "\"");
    CHECK(quoted("\xe2\x82") == "\"" + bad + bad + "\"");
    CHECK(quoted("\xed\xa0\x80") == "\"" + bad + bad + bad + "\"");  // a surrogate
    CHECK(quoted("\xc0\xaf") == "\"" + bad + bad + "\"");            // overlong
    CHECK(quoted("\xf4\x90\x80\x80") == "\"" + bad + bad + bad + bad + "\"");
    // Whatever goes in, a reader accepts it.
    for (int first = 0; first < 256; ++first)
        for (int second = 0; second < 256; second += 7) {
            const char bytes[] = {static_cast<char>(first), static_cast<char>(second), 'x'};
            if (!JsonDocument::parse(quoted({bytes, 3}))) FAIL("bytes " << first << " " << second);
        }
}

TEST_CASE("json: writing", "[http][json]") {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    writer.member("s", "x").member("i", -5).member("u", std::numeric_limits<std::uint64_t>::max());
    writer.member("d", 0.1).member("nan", std::numeric_limits<double>::quiet_NaN()).member("b", false);
    writer.member("n", nullptr).key("a").begin_array().number(1).string("two").begin_object().end_object().end_array();
    writer.key("r").raw("[1]").member("last", 1);
    writer.end_object();
    CHECK(out == R"({"s":"x","i":-5,"u":18446744073709551615,"d":0.1,"nan":null,"b":false,"n":null,)"
                 R"("a":[1,"two",{}],"r":[1],"last":1})");
    const auto again = JsonDocument::parse(out);
    REQUIRE(again);
    CHECK(again->root().text() == out);
}
