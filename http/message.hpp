// Messages as handlers see them: Request (what came), Response (what goes), and the shape of errors.
//
// The handler's page is request.hpp and response.hpp; here is what both share.
#pragma once

#include <string>
#include <string_view>

#include "http/headers.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

namespace reeve::http {

// "Not Found" for 404; "Unknown" for a number nobody assigned.
[[nodiscard]] std::string_view reason_of(int status);

// {"error":{"message":...,"type":...,"param":...,"code":...}}, the shape that clients of LLM servers parse. Empty
// `param` and `code` become null; an empty `type` becomes the usual one for the status.
[[nodiscard]] std::string error_json(int status, std::string_view message, std::string_view type = {},
                                     std::string_view param = {}, std::string_view code = {});

// Undoes percent-encoding into `out`; false (out untouched) if an escape is broken. `plus_is_space` for queries.
[[nodiscard]] bool percent_decode(std::string_view text, std::string& out, bool plus_is_space = false);
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace reeve::http
