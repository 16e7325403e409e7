// What the program itself asks of the system: standard streams, signals, memory. POSIX; what only Linux has is marked.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace kcom5::cli {

/// Which of the standard streams 0, 1 and 2 were closed when the program was started.
using Closed = std::array<bool, 3>;

/// Opens the null device on each standard stream that is closed, so that no socket or file takes its number.
Closed open_closed_streams() noexcept;

/// Writes all of it, also to a descriptor that does not block.
std::error_code write_all(int descriptor, std::string_view text) noexcept;

bool is_terminal(int descriptor) noexcept;

/// The signals that ask the program to end call `handler`, unless they were ignored when it was started; a second one
/// of them ends the process. A write to a closed pipe, or over a limit of size, fails and ends nothing.
void catch_signals(void (*handler)(int)) noexcept;

/// Ends the process, should it not have ended within two seconds: then it removes what no destructor will. May be
/// called by a handler.
void end_soon(int exit_code) noexcept;

/// Whether two outputs are the same file, or would be; "-" is standard output.
bool is_same_file(const std::string& one, const std::string& other);

/// Whether the name is another one of a standard stream, such as /dev/stdin: its number, or -1.
int standard_stream_of(const std::string& name) noexcept;

/// Keeps other processes of this user, and core dumps, from the memory of this process (Linux).
void hide_memory() noexcept;

/// Overwrites it.
void wipe(void* memory, std::size_t size) noexcept;

/// Whether something stands at the path, be it a link that leads nowhere.
bool exists(const std::string& path) noexcept;

/// A file with a secret. `is_open_to_others`: other users can read it.
int open_secret(const std::string& path, bool& is_open_to_others, std::error_code& ec) noexcept;
/// One read; 0: the end.
std::size_t read_some(int descriptor, char* room, std::size_t size, std::error_code& ec) noexcept;
void close(int descriptor) noexcept;

}  // namespace kcom5::cli
