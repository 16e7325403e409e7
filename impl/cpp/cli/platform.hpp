// System calls of the program itself: standard streams, signals, memory. POSIX; Linux-only parts are marked.
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

/// Installs `handler` for the signals that end a program, unless they were ignored at its start. A second one ends the
/// process. A write to a closed pipe, or over a size limit, fails and does not end the process.
void catch_signals(void (*handler)(int)) noexcept;

/// Ends the process if it has not ended within two seconds, and then removes the files that no destructor will. A
/// signal handler may call it.
void end_soon(int exit_code) noexcept;

/// Whether two outputs are the same file, or would be; "-" is standard output.
bool is_same_file(const std::string& one, const std::string& other);

/// The number of the standard stream that a name such as /dev/stdin stands for, or -1.
int standard_stream_of(const std::string& name) noexcept;

/// Keeps other processes of this user, and core dumps, from the memory of this process (Linux).
void hide_memory() noexcept;

/// Overwrites memory with zeros.
void wipe(void* memory, std::size_t size) noexcept;

/// Whether something exists at the path, even a dangling link.
bool exists(const std::string& path) noexcept;

/// Opens a file with a secret. `is_open_to_others`: other users can read it.
int open_secret(const std::string& path, bool& is_open_to_others, std::error_code& ec) noexcept;
/// One read; 0: the end.
std::size_t read_some(int descriptor, char* room, std::size_t size, std::error_code& ec) noexcept;
void close(int descriptor) noexcept;

}  // namespace kcom5::cli
