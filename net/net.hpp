// Everything of the net layer: addresses, streams over TCP, Unix sockets, TLS and memory.
#pragma once

#include "net/address.hpp"
#include "net/pipe.hpp"
#include "net/resolve.hpp"
#include "net/stream.hpp"
#include "net/tcp.hpp"
#include "net/tls.hpp"
#include "net/unix.hpp"
