// Result and Error: values, errors, their texts.
#include "runtime/base/result.hpp"

#include <cerrno>
#include <memory>
#include <string>

#include "runtime/sleep.hpp"
#include "tests/support/catch.hpp"

using reeve::Errc;
using reeve::Error;
using reeve::Result;

static_assert(reeve::is_result<Result<void>> && reeve::is_result<Result<int>&> && reeve::is_result<reeve::Slept>);
static_assert(!reeve::is_result<void> && !reeve::is_result<int&> && !reeve::is_result<Error>);

TEST_CASE("result: holds a value or an error, and says which", "[result]") {
    Result<int> value = 7;
    Result<int> error = Errc::timed_out;
    CHECK(value.has_value());
    CHECK(value.value() == 7);
    CHECK_FALSE(error.has_value());
    CHECK(error.error() == Errc::timed_out);
    CHECK(std::move(error).value_or(9) == 9);
}

TEST_CASE("result: a value that cannot be copied moves out", "[result]") {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
    std::unique_ptr<int> owned = std::move(result).value();
    REQUIRE(owned);
    CHECK(*owned == 3);
}

TEST_CASE("result: of void is good by default", "[result]") {
    Result<void> good;
    Result<void> bad = Error(Errc::closed, "send");
    CHECK(static_cast<bool>(good));
    CHECK_FALSE(static_cast<bool>(bad));
    CHECK(bad.error() == Errc::closed);
}

TEST_CASE("error: errno becomes the code a caller can act on", "[result]") {
    CHECK(Error::from_errno(ECONNREFUSED, "connect") == Errc::refused);
    CHECK(Error::from_errno(ECONNRESET, "read") == Errc::reset);
    CHECK(Error::from_errno(EPIPE, "write") == Errc::reset);
    const Error other = Error::from_errno(ENOSPC, "write");
    CHECK(other == Errc::os);
    CHECK(other.number() == ENOSPC);
}

TEST_CASE("error: the text names the operation and the cause", "[result]") {
    const std::string text = Error::from_errno(ECONNREFUSED, "connect").text();
    CHECK(text.find("connect") == 0);
    CHECK(text.find("refused") != std::string::npos);
    CHECK(text.find(std::to_string(ECONNREFUSED)) != std::string::npos);
}
