// Exchange: one request on its way and the answer as it arrives. Internal; ClientResponse is its handle.
//
// Idea. The exchange owns its connection. When the body has been read to its end and both sides keep the connection, it
// goes back to the pool; in every other case the exchange's destruction closes it. While a stream waits for its next
// bytes the read block is small, and grows only for those that fill it: a gateway holds thousands of them.
//
// One fiber at a time; may park.
#pragma once

#include <memory>
#include <string>

#include "http/input_buffer.hpp"
#include "http/parser.hpp"
#include "http/pool.hpp"

namespace reeve::http {

struct ClientResponse::Exchange {
    Exchange(std::shared_ptr<Client::Pool> in, std::string at, std::unique_ptr<net::Stream> over, bool was_pooled)
        : pool(std::move(in)), origin(std::move(at)), stream(std::move(over)), reused(was_pooled),
          events(pool->config.event_bytes) {}

    // Sends the head and the body.
    Result<void> send(const Url& url, const ClientRequest& request, Deadline deadline);
    // Reads up to the end of the final head. Informational ones (1xx) are passed over.
    Result<void> receive_head(bool no_body, Deadline deadline);
    Result<std::string_view> read_some(Deadline deadline);
    Result<ServerEvent> next_event(Deadline deadline);

    // Nothing of an answer has come, so sending the request again cannot show (if it is idempotent).
    [[nodiscard]] bool is_untouched() const { return input.empty() && parser.is_untouched() && !informed; }

    std::shared_ptr<Client::Pool> pool;
    std::string origin;
    std::unique_ptr<net::Stream> stream;  // null: given back, or closed
    InputBuffer input;
    Parser parser;
    MessageHead head;
    bool reused;
    bool sent_all = false;
    bool sent_any = false;
    bool informed = false;  // a 1xx answer came
    bool ended = false;     // the body has been read to its end
    bool closes = false;    // the request said "Connection: close"
    std::string_view unread;  // what read() has received and not given out; in `input`
    SseParser events;

private:
    Result<void> write(std::string_view bytes, Deadline deadline);
    Result<void> fill(Deadline deadline);
    Result<void> send_source(const ClientRequest& request, bool is_chunked, Deadline deadline);
    void end();

    std::size_t block_bytes_ = InputBuffer::k_head_block_bytes;
};

}  // namespace reeve::http
