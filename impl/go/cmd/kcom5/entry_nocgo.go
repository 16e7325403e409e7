//go:build !cgo || !(linux || darwin)

package main

// Without C nothing runs before the Go runtime, so only its traces can be seen here.

import (
	"os"
	"os/signal"
	"syscall"
)

// wasClosed guesses: the runtime opens the null device for reading and writing, which a shell does not. A parent that
// does the same looks alike; then the data is refused rather than lost.
func wasClosed(fd int) bool { return standardStreams[fd] }

var standardStreams = func() (closed [3]bool) {
	for fd, file := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		closed[fd] = isOpenedByRuntime(fd, file)
	}
	return closed
}()

// wasIgnored reports the same for the signals that the runtime leaves alone.
func wasIgnored(number syscall.Signal) bool { return signal.Ignored(number) }
