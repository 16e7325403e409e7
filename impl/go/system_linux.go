package kcom5

// Linux: congestion control that does not pace, the queue of a connection, and the peer's user.

import (
	"net"
	"syscall"
	"unsafe"
)

const (
	tcpCongestion = 13
	siocoutq      = 0x5411
)

func init() {
	control = func(network, _ string, raw syscall.RawConn) error {
		if network == "unix" {
			return nil
		}
		return raw.Control(func(fd uintptr) {
			// A close is a reset until stream.end changes that. So a killed process resets. Package net tries a
			// connection to itself three times; a reset frees its port for the next try (`connect.self`).
			syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
			// The default may pace, which halves the speed. It stays if neither of these is available.
			if syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, tcpCongestion, "cubic") != nil {
				syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, tcpCongestion, "reno")
			}
		})
	}
	queued = func(conn net.Conn) (size int, known bool) {
		withDescriptor(conn, func(fd uintptr) {
			var value int32
			_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, siocoutq, uintptr(unsafe.Pointer(&value)))
			size, known = int(value), errno == 0
		})
		return size, known
	}
	useHugePages = func(memory []byte) {
		const size = 2 << 20
		at := int(-uintptr(unsafe.Pointer(&memory[0])) % size)
		if whole := (len(memory) - at) / size * size; whole > 0 {
			syscall.Madvise(memory[at:at+whole], syscall.MADV_HUGEPAGE)
		}
	}
}

// peerUser returns the user at the other end of a Unix-domain connection.
func peerUser(fd uintptr) (int, error) {
	credentials, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(credentials.Uid), nil
}
