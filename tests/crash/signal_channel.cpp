// Asks for the signal of the number that is its argument; all that are tried this way are refused.
#include <cstdlib>

#include "runtime/runtime.hpp"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    return reeve::run([&] {
        reeve::SignalChannel channel({std::atoi(argv[1])});
        (void)channel.recv();
    });
}
