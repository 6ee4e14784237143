// Must die: the value of a Result is asked for that holds an error.
#include "runtime/base/result.hpp"

int main() {
    const reeve::Result<int> result = reeve::Errc::timed_out;
    return result.value();
}
