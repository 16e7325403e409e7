//go:build cgo && (linux || darwin)

package main

// extern int kcom5_closed[3];
// extern int kcom5_ignored[32];
import "C"

import "syscall"

// wasClosed reports whether a standard stream was closed when the process started.
func wasClosed(fd int) bool { return C.kcom5_closed[fd] != 0 }

// wasIgnored reports whether a signal was ignored when the process started.
func wasIgnored(number syscall.Signal) bool { return C.kcom5_ignored[number] != 0 }
