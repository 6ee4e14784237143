#include "http/parser.hpp"

#include <llhttp.h>

#include <new>

#include "http/request_rules.hpp"

namespace reeve::http {

// A chunk's size line, with its extension that nobody reads.
static constexpr std::size_t k_chunk_line_bytes_max = 4096;

static llhttp_t* state_of(std::byte* state) { return std::launder(reinterpret_cast<llhttp_t*>(state)); }

// What llhttp calls. It pauses after each thing that the caller wants to hear of.
struct ParserCallbacks {
    static Parser& parser_of(llhttp_t* state) { return *static_cast<Parser*>(state->data); }

    static int on_url(llhttp_t* state, const char* at, std::size_t bytes) {
        parser_of(state).head_->target.append(at, bytes);
        return HPE_OK;
    }

    static int on_name(llhttp_t* state, const char* at, std::size_t bytes) {
        Parser& parser = parser_of(state);
        if (parser.phase_ != Parser::Phase::head) return HPE_OK;  // trailers are read over
        Headers& headers = parser.head_->headers;
        if (!parser.name_open_) {
            parser.end_field();
            const auto offset = static_cast<std::uint32_t>(headers.bytes_.size());
            headers.fields_.push_back({offset, 0, offset, 0});
            parser.name_open_ = true;
        }
        headers.bytes_.append(at, bytes);
        headers.fields_.back().name_bytes += static_cast<std::uint32_t>(bytes);
        return HPE_OK;
    }

    static int on_name_end(llhttp_t* state) {
        parser_of(state).name_open_ = false;
        return HPE_OK;
    }

    static int on_value(llhttp_t* state, const char* at, std::size_t bytes) {
        Parser& parser = parser_of(state);
        if (parser.phase_ != Parser::Phase::head) return HPE_OK;
        Headers& headers = parser.head_->headers;
        Headers::Slot& slot = headers.fields_.back();
        if (!parser.value_open_) {
            slot.value = static_cast<std::uint32_t>(headers.bytes_.size());
            parser.value_open_ = true;
        }
        headers.bytes_.append(at, bytes);
        slot.value_bytes += static_cast<std::uint32_t>(bytes);
        return HPE_OK;
    }

    static int on_head(llhttp_t* state) {
        Parser& parser = parser_of(state);
        MessageHead& head = *parser.head_;
        parser.end_field();
        head.version_minor = state->http_minor;
        head.content_length = state->content_length;
        head.has_length = (state->flags & F_CONTENT_LENGTH) != 0;
        head.is_chunked = (state->flags & F_CHUNKED) != 0;
        head.keep_alive = head.version_minor >= 1 ? !(state->flags & F_CONNECTION_CLOSE)
                                                  : (state->flags & F_CONNECTION_KEEP_ALIVE) != 0;
        if (parser.mode_ == Parser::Mode::request) {
            head.method = llhttp_method_name(static_cast<llhttp_method_t>(state->method));
            head.has_body = head.is_chunked || head.content_length > 0;
        } else {
            head.status = state->status_code;
            const bool needs_eof = llhttp_message_needs_eof(state) != 0;
            const bool never = parser.no_body_ || head.status < 200 || head.status == 204 || head.status == 304;
            head.has_body = !never && (head.is_chunked || head.content_length > 0 || needs_eof);
            if (head.has_body && needs_eof) head.keep_alive = false;
        }
        parser.head_complete_ = true;
        return HPE_PAUSED;
    }

    static int on_chunk(llhttp_t* state) {
        Parser& parser = parser_of(state);
        parser.chunk_seen_ = true;
        if (state->content_length > 0) return HPE_OK;
        parser.phase_ = Parser::Phase::trailers;
        return HPE_PAUSED;
    }

    static int on_body(llhttp_t* state, const char* at, std::size_t bytes) {
        Parser& parser = parser_of(state);
        if (bytes == 0) return HPE_OK;
        parser.body_ = {at, bytes};
        parser.body_seen_ = true;
        return HPE_PAUSED;
    }

    static int on_end(llhttp_t* state) {
        parser_of(state).message_complete_ = true;
        return HPE_PAUSED;
    }

    static const llhttp_settings_t* settings() {
        static constinit llhttp_settings_t settings = [] {
            llhttp_settings_t s{};
            s.on_url = on_url;
            s.on_header_field = on_name;
            s.on_header_field_complete = on_name_end;
            s.on_header_value = on_value;
            s.on_headers_complete = on_head;
            s.on_chunk_header = on_chunk;
            s.on_body = on_body;
            s.on_message_complete = on_end;
            return s;
        }();
        return &settings;
    }
};

void Parser::reset(Mode mode, MessageHead& head, const HeadLimits& limits, bool no_body) {
    static_assert(sizeof(llhttp_t) <= k_state_bytes && alignof(llhttp_t) <= 8);
    head.clear();
    head_ = &head;
    limits_ = limits;
    mode_ = mode;
    no_body_ = no_body;
    phase_ = Phase::head;
    guard_.reset(mode == Mode::request ? HeadGuard::Start::request : HeadGuard::Start::response, limits);
    body_ = error_reason_ = {};
    line_bytes_ = 0;
    error_status_ = 0;
    name_open_ = value_open_ = head_complete_ = body_seen_ = chunk_seen_ = message_complete_ = false;

    auto* state = new (state_) llhttp_t;
    llhttp_init(state, mode == Mode::request ? HTTP_REQUEST : HTTP_RESPONSE, ParserCallbacks::settings());
    state->data = this;
}

// llhttp leaves the spaces after a value to us.
void Parser::end_field() {
    Headers& headers = head_->headers;
    if (headers.fields_.empty()) return;
    Headers::Slot& slot = headers.fields_.back();
    while (slot.value_bytes > 0) {
        const char last = headers.bytes_[slot.value + slot.value_bytes - 1];
        if (last != ' ' && last != '\t') break;
        --slot.value_bytes;
    }
    value_open_ = false;
}

Parser::Event Parser::fail(int status, std::string_view reason) {
    phase_ = Phase::broken;
    error_status_ = status;
    error_reason_ = reason;
    return Event::error;
}

int Parser::execute(std::string_view input, std::size_t& consumed) {
    llhttp_t* state = state_of(state_);
    llhttp_resume(state);
    const llhttp_errno_t code = llhttp_execute(state, input.data(), input.size());
    if (code == HPE_OK)
        consumed += input.size();
    else if (const char* stopped = llhttp_get_error_pos(state); stopped && !input.empty())
        consumed += static_cast<std::size_t>(stopped - input.data());
    return code;
}

Parser::Event Parser::parse(std::string_view input, std::size_t& consumed) {
    consumed = 0;
    switch (phase_) {
        case Phase::head: return parse_head(input, consumed);
        case Phase::body:
        case Phase::trailers: return parse_body(input, consumed);
        case Phase::ended: return Event::end;
        case Phase::broken: break;
    }
    return Event::error;
}

Parser::Event Parser::parse_head(std::string_view input, std::size_t& consumed) {
    const std::size_t accepted = guard_.scan(input);
    if (guard_.failed()) return fail(guard_.status(), guard_.reason());
    const int code = execute(input.substr(0, accepted), consumed);
    if (head_complete_) {
        consumed = accepted;  // the guard and the parser agree on where a head ends
        return head_is_complete();
    }
    if (code == HPE_OK && !guard_.is_done()) return Event::need_more;
    if (code == HPE_INVALID_METHOD) return fail(501, "The method is not known.");
    if (code == HPE_INVALID_VERSION) return fail(505, "Only HTTP/1.0 and HTTP/1.1 are supported.");
    const char* reason = llhttp_get_error_reason(state_of(state_));
    return fail(400, reason && *reason ? reason : "The message head is malformed.");
}

Parser::Event Parser::head_is_complete() {
    if (mode_ == Mode::request) {
        const Refusal refusal = check_request(*head_);
        if (refusal.status != 0) return fail(refusal.status, refusal.reason);
    }
    phase_ = head_->has_body ? Phase::body : Phase::ended;
    return Event::head;
}

Parser::Event Parser::parse_body(std::string_view input, std::size_t& consumed) {
    const std::size_t available = input.size();
    if (phase_ == Phase::trailers) {
        input = input.substr(0, guard_.scan(input));
        if (guard_.failed()) return fail(guard_.status(), guard_.reason());
    }
    body_seen_ = chunk_seen_ = false;
    const int code = execute(input, consumed);
    if (code != HPE_OK && code != HPE_PAUSED) {
        const char* reason = llhttp_get_error_reason(state_of(state_));
        return fail(400, reason && *reason ? reason : "The message body is malformed.");
    }
    if (message_complete_) {
        phase_ = Phase::ended;
        return Event::end;
    }
    if (head_->is_chunked) {
        line_bytes_ += consumed - (body_seen_ ? body_.size() : 0);
        if (line_bytes_ > k_chunk_line_bytes_max && (phase_ == Phase::body || chunk_seen_))
            return fail(400, "A chunk's size line is too long.");
        if (chunk_seen_ || body_seen_) line_bytes_ = 0;
    }
    if (body_seen_) return Event::body;
    if (phase_ == Phase::trailers && chunk_seen_) {
        guard_.reset(HeadGuard::Start::trailers, limits_);
        std::size_t more = 0;
        const Event event = parse_body(input.substr(consumed), more);
        consumed += more;
        return event;
    }
    // Paused without news: only zero bytes are left to look at.
    if (consumed < available && code == HPE_PAUSED) return fail(400, "The message body is malformed.");
    return Event::need_more;
}

Parser::Event Parser::finish() {
    if (phase_ == Phase::ended) return Event::end;
    if (phase_ == Phase::broken) return Event::error;
    if (phase_ == Phase::body) {
        llhttp_resume(state_of(state_));
        (void)llhttp_finish(state_of(state_));
        if (message_complete_) {
            phase_ = Phase::ended;
            return Event::end;
        }
    }
    return fail(400, "The message ended too early.");
}

}  // namespace reeve::http
