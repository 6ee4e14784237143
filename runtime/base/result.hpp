// Result, Error, Errc: how a call says that the world misbehaved.
//
// Three grades of failure exist in this project. The world misbehaved (peer, network, limit, deadline): the call
// returns a Result. The program is wrong (broken invariant, unlock without lock): fatal(). User code throws: its
// exception travels as usual. A Result is a value, never ignorable, and a subset of std::expected's interface, so
// that it can be replaced by it one day.
//
// Any thread, any stack; never parks; not for signal handlers (std::string in text()).
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "runtime/base/assert.hpp"

namespace reeve {

// What the caller can do about it, not where it came from.
enum class Errc : std::uint8_t {
    eof,        // the peer ended its stream in order; no more bytes will come
    closed,     // this end is closed (a channel closed and drained, a descriptor closed)
    timed_out,  // the deadline passed first
    cancelled,  // the fiber was cancelled first
    refused,    // nobody listens there
    reset,      // the peer broke the connection
    too_large,  // a limit was exceeded
    malformed,  // the bytes do not follow the protocol
    tls,        // the TLS layer refused (certificate, handshake, record)
    not_found,  // the name does not exist
    os,         // any other error of the operating system: see Error::number()
};

[[nodiscard]] const char* name_of(Errc code);

class Error {
public:
    // `operation` must be a string constant: the error keeps the pointer. `number` is an errno, 0 if none.
    constexpr Error(Errc code, const char* operation = "", int number = 0)
        : operation_(operation), number_(number), code_(code) {}

    // The Errc an errno stands for (ECONNRESET -> reset, ...); unknown ones are Errc::os.
    [[nodiscard]] static Error from_errno(int number, const char* operation);

    [[nodiscard]] constexpr Errc code() const { return code_; }
    [[nodiscard]] constexpr int number() const { return number_; }
    [[nodiscard]] constexpr const char* operation() const { return operation_; }
    [[nodiscard]] std::string text() const;  // "connect: refused (errno 111, Connection refused)"

    friend constexpr bool operator==(const Error& error, Errc code) { return error.code_ == code; }

private:
    const char* operation_;
    int number_;
    Errc code_;
};

template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, error) {}
    Result(Errc code) : state_(std::in_place_index<1>, Error(code)) {}

    [[nodiscard]] bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    // Asking for the value of an error is a broken program: the process ends and says which error it was.
    T& value() & { return require(), *std::get_if<0>(&state_); }
    const T& value() const& { return require(), *std::get_if<0>(&state_); }
    T&& value() && { return require(), std::move(*std::get_if<0>(&state_)); }
    T value_or(T other) && { return has_value() ? std::move(*std::get_if<0>(&state_)) : std::move(other); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    [[nodiscard]] Error error() const {
        REEVE_CHECK(!has_value());
        return *std::get_if<1>(&state_);
    }

private:
    void require() const {
        if (!has_value()) [[unlikely]]
            fatal("value() of a Result that holds the error %s", std::get_if<1>(&state_)->text().c_str());
    }

    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    constexpr Result() : error_(Errc::os), ok_(true) {}
    constexpr Result(Error error) : error_(error), ok_(false) {}
    constexpr Result(Errc code) : error_(code), ok_(false) {}

    [[nodiscard]] constexpr bool has_value() const { return ok_; }
    constexpr explicit operator bool() const { return ok_; }
    void value() const {
        if (!ok_) [[unlikely]]
            fatal("value() of a Result that holds the error %s", error_.text().c_str());
    }
    [[nodiscard]] Error error() const {
        REEVE_CHECK(!ok_);
        return error_;
    }

private:
    Error error_;
    bool ok_;
};

template <class T>
void as_result(const Result<T>&);  // only for its type
// T is a Result or derived from one.
template <class T>
inline constexpr bool is_result = requires { as_result(std::declval<T>()); };

// What write_all moved, and the error that stopped it, if any.
struct [[nodiscard]] Transfer {
    std::size_t bytes = 0;
    Result<void> result;

    explicit operator bool() const { return result.has_value(); }
    [[nodiscard]] Error error() const { return result.error(); }
};

}  // namespace reeve
