// StopFilter: ends a text at the first stop sequence, wherever the tokens cut it.
//
// Idea. What could be the beginning of a stop sequence is held back until it is certain; everything else passes on at
// once. The stop sequence itself is never part of the text.
//
// A value; one user at a time; never parks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace reeve::gateway {

class StopFilter {
public:
    // Sequences are not empty. The filter keeps a reference.
    explicit StopFilter(const std::vector<std::string>& stops) : stops_(stops) {}

    // Appends to `out` what is certain now. False: a stop sequence was found, and the text has ended.
    bool feed(std::string_view token, std::string& out);
    // The text has ended by itself: appends what was held back.
    void finish(std::string& out);

private:
    const std::vector<std::string>& stops_;
    std::string held_;
};

}  // namespace reeve::gateway
