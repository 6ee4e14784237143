// Forwarder: passes requests on to an upstream, any server that speaks OpenAI's protocol, and its answers back.
//
// Idea. Requests travel verbatim (unknown fields included), answers of a stream frame by frame as they arrive, but
// cleaned of what only some clients understand: comments, named pings, empty events, line ends of other systems. A
// stream counts as complete only when a finish_reason was seen; one that ends before gets an error frame, because a
// truncation that looks like an end is the worst of all failures. Nothing is retried: the caller's library does that,
// and two layers of retries multiply.
//
// Before the first byte a failure of the upstream is 502 or 504 (its own refusals pass through), afterwards an error
// frame. A fiber that is cancelled leaves the upstream's answer unread, which closes that connection at once.
//
// chat() and get() park. Any number of fibers at once.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "apps/gateway/answer.hpp"
#include "http/client.hpp"
#include "http/headers.hpp"

namespace reeve::gateway {

struct Upstream {
    std::string url;      // "https://api.example.com/v1"; without a path, /v1 is meant
    std::string key;      // replaces the caller's Authorization; empty: the caller's own is passed on
    std::string ca_file;  // further authorities to trust; empty: the system's only
};

class Forwarder {
public:
    // Reads the file of authorities. Errors: malformed (the URL), tls or os (the file).
    static Result<std::unique_ptr<Forwarder>> make(const Upstream& upstream);

    // The body of a request's fiber: sends the request and hands on whatever comes back, until the end.
    void chat(const http::Headers& caller, std::string_view request_id, std::string body, bool is_stream,
              const AnswerChannel& out);
    // For GET /models and the like; `path` begins with '/'.
    [[nodiscard]] AnswerPart get(std::string_view path, const http::Headers& caller, std::string_view request_id);

    [[nodiscard]] const std::string& url() const { return base_; }

private:
    Forwarder(std::string base, std::string key, http::ClientConfig config);

    [[nodiscard]] http::ClientRequest request_to(std::string_view path, const http::Headers& caller,
                                                 std::string_view request_id) const;

    std::string base_;  // without a slash at its end
    std::string key_;
    http::Client client_;
};

}  // namespace reeve::gateway
