// Must die: a ticker with a period of zero.
#include "runtime/runtime.hpp"

int main() {
    const reeve::Ticker ticker(reeve::Duration(0));
    return 0;
}
