// go:build cgo && (linux || darwin)

// Records the closed streams and ignored signals before the Go runtime starts. The runtime opens the null device on
// closed standard streams, and installs handlers over ignored signals.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

int kcom5_closed[3];
int kcom5_ignored[32];

__attribute__((constructor)) static void look_around(void) {
  for (int fd = 0; fd < 3; fd++) kcom5_closed[fd] = fcntl(fd, F_GETFD) == -1 && errno == EBADF;
  for (int number = 1; number < 32; number++) {
    struct sigaction now;
    kcom5_ignored[number] = sigaction(number, 0, &now) == 0 && now.sa_handler == SIG_IGN;
  }
}
