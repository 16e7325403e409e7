// measure FILE PROGRAM ARGUMENT… runs the program and writes to FILE what it cost: seconds, cpu (s), peak (octets).
//
// The peak that a system tells of a process is never less than that of the process it was forked from, so a large
// driver cannot ask for it: this program has next to nothing in memory.
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

extern char** environ;

namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const double start = now();
  pid_t child = 0;
  if (::posix_spawnp(&child, arguments[2], nullptr, nullptr, arguments + 2, environ) != 0) return 4;
  int status = 0;
  rusage usage{};
  if (::wait4(child, &status, 0, &usage) != child) return 4;
  const double passed = now() - start;
#ifdef __APPLE__
  constexpr long unit = 1;
#else
  constexpr long unit = 1024;
#endif
  std::FILE* file = std::fopen(arguments[1], "w");
  if (file == nullptr) return 4;
  std::fprintf(file, "{\"seconds\": %.9f, \"end\": %.9f, \"cpu\": %.6f, \"peak\": %ld}\n", passed, now(),
               seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss * unit);
  if (std::fclose(file) != 0) return 4;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
}
