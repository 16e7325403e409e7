package kcom5

// Windows: its error numbers, and the option that keeps others from a port (`listen.exclusive`).

import "syscall"

const soExclusiveAddrUse = -5 // ^SO_REUSEADDR

func init() {
	// WSAEADDRINUSE and WSAEACCES, WSAECONNREFUSED, WSAECONNRESET, WSAECONNABORTED, WSAENOTCONN and WSAESHUTDOWN
	inUse = append(inUse, 10048, 10013)
	refused = append(refused, 10061)
	resets = append(resets, 10054, 10053, 10057, 10058)
	control = func(_, _ string, raw syscall.RawConn) error {
		var err error
		return first(raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, soExclusiveAddrUse, 1)
		}), err)
	}
}
