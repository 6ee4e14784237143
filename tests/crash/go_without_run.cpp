// Must die: a fiber is started where no runtime is.
#include "runtime/runtime.hpp"

int main() {
    reeve::go([] {});
}
