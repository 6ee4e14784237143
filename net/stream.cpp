#include "net/stream.hpp"

namespace reeve::net {

Transfer Stream::write_all(std::span<const std::byte> from, Deadline deadline) {
    Transfer transfer;
    while (transfer.bytes < from.size()) {
        const Result<std::size_t> moved = write(from.subspan(transfer.bytes), deadline);
        if (!moved) {
            transfer.result = moved.error();
            break;
        }
        REEVE_CHECK(*moved > 0);
        REEVE_CHECK(*moved <= from.size() - transfer.bytes);
        transfer.bytes += *moved;
    }
    return transfer;
}

Transfer Stream::write_all(std::string_view text, Deadline deadline) {
    return write_all(std::as_bytes(std::span(text)), deadline);
}

}  // namespace reeve::net
