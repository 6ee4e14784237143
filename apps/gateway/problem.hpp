// Problem: why a request is refused, in the four fields that clients of OpenAI-compatible servers read.
//
// A value; never parks.
#pragma once

#include <string>

namespace reeve::gateway {

struct Problem {
    int status = 400;
    std::string message;
    std::string type;   // empty: the usual one for the status
    std::string param;  // the field at fault, such as "messages[0].role"; empty: null on the wire
    std::string code;   // empty: null on the wire
};

}  // namespace reeve::gateway
