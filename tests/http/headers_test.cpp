#include "http/headers.hpp"

#include "http/message.hpp"
#include "tests/support/catch.hpp"

using reeve::http::Headers;

TEST_CASE("headers: a multimap with case-insensitive names, in order", "[http][headers]") {
    Headers headers{{"Content-Type", "text/plain"}, {"X", "1"}, {"x", " 2\t"}};
    CHECK(headers.get("content-TYPE") == "text/plain");
    CHECK(headers.get("x") == "1");
    CHECK(headers.count("X") == 2);
    CHECK_FALSE(headers.get("y"));
    CHECK(headers.value_or("y", "z") == "z");
    CHECK(headers.at(2).value == "2");
    CHECK(headers.set("X", "3"));
    CHECK(headers.count("x") == 1);
    CHECK(headers.remove("content-type") == 1);
    CHECK(headers.remove("content-type") == 0);
    std::string all;
    for (const auto field : headers) all += std::string(field.name) + "=" + std::string(field.value) + ";";
    CHECK(all == "X=3;");
    headers.clear();
    CHECK(headers.empty());
}

TEST_CASE("headers: values of their own may be set again", "[http][headers]") {
    Headers headers{{"A", "a value that is long enough to move"}};
    for (int i = 0; i < 20; ++i) CHECK(headers.add("B", headers.value_or("A")));
    CHECK(headers.set("A", headers.value_or("B")));
    CHECK(headers.get("A") == "a value that is long enough to move");
    CHECK(headers.set(headers.at(0).name, "x"));
}

TEST_CASE("headers: nothing that could break out of its line", "[http][headers]") {
    Headers headers{{"A", "old"}};
    for (const char* value : {"x\r\ny: z", "x\n", "x\r", "\x7f", "x\x01"}) {
        CHECK_FALSE(headers.add("B", value));
        CHECK_FALSE(headers.set("A", value));
    }
    CHECK_FALSE(headers.add("B", std::string_view("x\0y", 3)));
    for (const char* name : {"", "a b", "a:", "a\r\n", "\xc3\xa9"}) CHECK_FALSE(headers.add(name, "x"));
    CHECK_FALSE(headers.add("B", std::string(Headers::k_bytes_max, 'x')));
    CHECK(headers.size() == 1);
    CHECK(headers.get("A") == "old");
    for (std::size_t i = 1; i < Headers::k_fields_max; ++i) headers.add("C", "c");
    CHECK_FALSE(headers.add("C", "c"));
}

TEST_CASE("headers: tokens in lists", "[http][headers]") {
    const Headers headers{{"Connection", "keep-alive, Upgrade"}, {"connection", " ,x"}};
    CHECK(headers.has_token("Connection", "upgrade"));
    CHECK(headers.has_token("Connection", "X"));
    CHECK_FALSE(headers.has_token("Connection", "keep"));
    CHECK_FALSE(headers.has_token("Other", "x"));
}

TEST_CASE("percent encoding: there and back", "[http]") {
    std::string out;
    CHECK(reeve::http::percent_decode("a%20b%2f+", out));
    CHECK(out == "a b/+");
    CHECK(reeve::http::percent_decode("a+b", out, true));
    CHECK(out == "a b");
    for (const char* text : {"%", "%4", "a%4g", "%%41"}) CHECK_FALSE(reeve::http::percent_decode(text, out));
    CHECK(out == "a b");
    CHECK(reeve::http::percent_encode("a b/\xc3\xa9~") == "a%20b%2F%C3%A9~");
}

TEST_CASE("errors: the shape that clients parse", "[http]") {
    CHECK(reeve::http::error_json(404, "No \"x\".", {}, "model", "model_not_found") ==
          R"({"error":{"message":"No \"x\".","type":"not_found_error","param":"model","code":"model_not_found"}})");
    CHECK(reeve::http::error_json(500, "m") ==
          R"({"error":{"message":"m","type":"server_error","param":null,"code":null}})");
}
