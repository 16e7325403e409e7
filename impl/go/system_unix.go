//go:build linux || darwin

package kcom5

// POSIX: the state of a socket, and its peer.

import (
	"io"
	"net"
	"os"
	"syscall"
)

// isOwn reports whether the peer runs as this process's user (`unix.owner`).
func isOwn(conn net.Conn) (bool, error) {
	user, err := -1, error(nil)
	withDescriptor(conn, func(fd uintptr) { user, err = peerUser(fd) })
	return user == os.Geteuid(), err
}

// pendingError returns a reset that came after the peer's end, which a read does not report.
func pendingError(conn net.Conn) (err error) {
	withDescriptor(conn, func(fd uintptr) {
		if number, failed := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); failed == nil && number != 0 {
			err = syscall.Errno(number)
		}
	})
	return err
}

// hasPeerEnded reports, without waiting, whether the next read would return the peer's end. An error is removed from
// the socket, so no later call reports it.
func hasPeerEnded(conn net.Conn) (hasEnded bool, err error) {
	withDescriptor(conn, func(fd uintptr) {
		for err = syscall.EINTR; err == syscall.EINTR; {
			var octet [1]byte
			n, _, failed := syscall.Recvfrom(int(fd), octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			hasEnded, err = n == 0 && failed == nil, failed
		}
	})
	if err == syscall.EAGAIN {
		err = nil
	}
	return hasEnded, err
}

// peek waits for bytes as long as the connection's deadline says, and leaves them unread.
func peek(conn net.Conn, octets []byte) (n int, err error) {
	n, err = tried(conn.(syscall.Conn), (syscall.RawConn).Read, func(fd uintptr) (int, error) {
		n, _, err := syscall.Recvfrom(int(fd), octets, syscall.MSG_PEEK)
		return n, err
	})
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// tried returns the result of a call that waits until the connection's deadline while it cannot proceed.
func tried(conn syscall.Conn, wait func(syscall.RawConn, func(fd uintptr) bool) error,
	call func(fd uintptr) (int, error)) (n int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = wait(raw, func(fd uintptr) bool {
		for failed = syscall.EINTR; failed == syscall.EINTR; {
			n, failed = call(fd)
		}
		return failed != syscall.EAGAIN
	})
	if err = first(err, failed); err != nil {
		return 0, err
	}
	return n, nil
}
