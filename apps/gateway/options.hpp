// Options: the command line of reeve-gateway.
//
// A value. parse_options() never parks and opens no file; mistakes come back as one line.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "apps/gateway/forward.hpp"
#include "apps/gateway/latency.hpp"

namespace reeve::gateway {

struct Options {
    std::string listen = "127.0.0.1:8080";
    unsigned workers = 0;  // 0: as the runtime decides
    Profile profile = *profile_of("default");
    std::optional<std::uint64_t> seed;
    std::optional<Upstream> upstream;
    std::string tls_certificate_file;
    std::string tls_key_file;
    bool is_help = false;
};

[[nodiscard]] std::string_view usage();

// `arguments` without the program's name. No value: `problem` is one line without the program's name.
[[nodiscard]] std::optional<Options> parse_options(std::span<const std::string_view> arguments, std::string& problem);

}  // namespace reeve::gateway
