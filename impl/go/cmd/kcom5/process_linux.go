package main

import (
	"os"
	"syscall"
)

var endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// failing are the signals that become write errors instead.
var failing = []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ}

// hideMemory keeps a key out of core dumps, and away from other processes of the same user.
func hideMemory() {
	const setDumpable = 4
	syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0)
}
