//go:build linux || darwin

package kcom5

// The Unix profile's listening and dialling, and what POSIX systems tell of a socket. Spec: "Unix profile".

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// socketAddress is the path as the system takes it: "@" would select Linux's abstract names, and a NUL cut it.
func socketAddress(path string) (string, error) {
	if strings.IndexByte(path, 0) >= 0 {
		return "", &os.PathError{Op: "socket", Path: path, Err: syscall.EINVAL}
	}
	if strings.HasPrefix(path, "@") {
		return "./" + path, nil
	}
	return path, nil
}

// listenUnix listens at a path, with the mode 0600 before it does (`unix.mode`): a step that package net has no place
// for. remove takes the file away if it is still the one made here (`unix.cleanup`); call it before closing, which
// keeps the file's number from being used again.
func listenUnix(path string) (listener net.Listener, remove func(), err error) {
	path, err = socketAddress(path)
	if err != nil {
		return nil, nil, err
	}
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close() // the listener has its own copy
	err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	if err == syscall.EADDRINUSE && isStale(path) {
		os.Remove(path)
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err != nil {
		return nil, nil, &os.PathError{Op: "bind", Path: path, Err: err}
	}
	own, err := os.Lstat(path)
	remove = func() {
		if now, err := os.Lstat(path); err == nil && os.SameFile(own, now) {
			os.Remove(path)
		}
	}
	err = first(err, os.Chmod(path, 0o600), os.NewSyscallError("listen", syscall.Listen(fd, 8)))
	if err == nil {
		listener, err = net.FileListener(file)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return listener, remove, nil
}

// isStale tells whether there is a socket file that no process has open (`unix.stale`). A datagram socket asks, which
// a stream server does not even notice.
func isStale(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// dialUnix connects to a path. A queue that is full is waited for, and no file is the same as nobody.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	path, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if errors.Is(err, syscall.ENOENT) {
			return nil, &os.PathError{Op: "connect", Path: path, Err: syscall.ECONNREFUSED}
		}
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		// Nothing tells when there is room again.
		timer := time.NewTimer(10 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// isOwn tells whether the peer is of this process's user (`unix.owner`).
func isOwn(conn net.Conn) (bool, error) {
	user, err := -1, error(nil)
	withDescriptor(conn, func(fd uintptr) { user, err = peerUser(fd) })
	return user == os.Geteuid(), err
}

// pendingError is a reset that came after the peer's end: a read does not tell of it.
func pendingError(conn net.Conn) (err error) {
	withDescriptor(conn, func(fd uintptr) {
		if number, failed := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); failed == nil && number != 0 {
			err = syscall.Errno(number)
		}
	})
	return err
}
