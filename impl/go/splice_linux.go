package kcom5

// Moves bytes between a file and a connection inside the Linux kernel. The caller reads and writes what this cannot.
// Not here: when it pays. Spec: "Time" (the bounds are the connection's).

import (
	"io"
	"net"
	"os"
	"syscall"
)

const (
	setPipeSize    = 1031
	spliceMove     = 1
	spliceNonblock = 2
	mostAtOnce     = 1 << 30 // the kernel takes less than 2 GiB
)

// sendFile sends the bytes of a file from its position on, at most most, and waits until the connection takes some. It
// returns 0 and no error if the file has none.
func sendFile(conn net.Conn, file *os.File, most uint64) (n int, err error) {
	from, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	send := func(in uintptr) {
		n, err = tried(conn.(syscall.Conn), (syscall.RawConn).Write, func(fd uintptr) (int, error) {
			return syscall.Sendfile(int(fd), int(in), nil, smaller(most, mostAtOnce))
		})
	}
	return n, first(from.Control(send), err)
}

// pipe carries bytes from a connection to a file.
type pipe struct{ out, in int }

// openPipe returns nil where no pipe is available.
func openPipe() *pipe {
	var ends [2]int
	if syscall.Pipe2(ends[:], syscall.O_CLOEXEC) != nil {
		return nil
	}
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(ends[1]), setPipeSize, pieceSize)
	return &pipe{out: ends[0], in: ends[1]}
}

func (p *pipe) close() {
	syscall.Close(p.out)
	syscall.Close(p.in)
}

// fill waits for bytes of the connection, and moves at most most into the pipe, which must be empty.
func (p *pipe) fill(conn net.Conn, most uint64) (n int, err error) {
	n, err = tried(conn.(syscall.Conn), (syscall.RawConn).Read, func(fd uintptr) (int, error) {
		n, err := syscall.Splice(int(fd), nil, p.in, nil, smaller(most, pieceSize), spliceMove|spliceNonblock)
		return int(n), err
	})
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// empty moves all size bytes into the file. moves is false if the kernel could not move them and they were written.
func (p *pipe) empty(file *os.File, size int) (moves bool, err error) {
	to, err := file.SyscallConn()
	if err != nil {
		return false, err
	}
	err = to.Control(func(fd uintptr) {
		for size > 0 {
			n, err := syscall.Splice(p.out, nil, int(fd), nil, size, spliceMove)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 {
				return
			}
			size -= int(n)
		}
	})
	if err != nil || size == 0 {
		return true, err
	}
	octets := make([]byte, size)
	for octets := octets; len(octets) > 0; {
		n, err := syscall.Read(p.out, octets)
		if err == nil {
			octets = octets[n:]
		} else if err != syscall.EINTR {
			return false, err
		}
	}
	_, err = file.Write(octets) // which also reports the real error
	return false, err
}
