// http: an HTTP/1.1 server and client whose handlers are written in blocking style, each on its own fiber.
//
// Umbrella include, nothing else. What is supported and what is refused: http/README.md.
#pragma once

#include "http/client.hpp"
#include "http/headers.hpp"
#include "http/json.hpp"
#include "http/limits.hpp"
#include "http/message.hpp"
#include "http/server.hpp"
#include "http/sse.hpp"
