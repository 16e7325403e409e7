package kcom5

// macOS: the peer's user.

import (
	"syscall"
	"unsafe"
)

const (
	solLocal      = 0
	localPeercred = 1
)

// peerUser returns the user at the other end of a Unix-domain connection (struct xucred of sys/ucred.h).
func peerUser(fd uintptr) (int, error) {
	var credentials struct {
		version, user uint32
		groupCount    int16
		groups        [16]uint32
	}
	size := uint32(unsafe.Sizeof(credentials))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, solLocal, localPeercred,
		uintptr(unsafe.Pointer(&credentials)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(credentials.user), nil
}
