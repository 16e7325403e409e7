package kcom5

// Operations on a name in an open folder for Linux.

import (
	"os"
	"strconv"
	"syscall"
)

const (
	mostPath = 107 // of sun_path's 108 bytes one is the NUL
	openPath = 0x200000
)

// status is the status of a file held open, so that its inode number is not reused.
type status struct {
	fd             int
	device, number uint64
	mode           uint32
	user           int
	address        string // leads to this very file
}

func (s status) close() { syscall.Close(s.fd) }

func (f *folder) lstat() (s status, err error) {
	s.fd, err = syscall.Openat(int(f.Fd()), f.name, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return s, err
	}
	var stat syscall.Stat_t
	if err := syscall.Fstat(s.fd, &stat); err != nil {
		s.close()
		return s, err
	}
	s.device, s.number, s.mode, s.user = uint64(stat.Dev), stat.Ino, stat.Mode, int(stat.Uid)
	s.address = "/proc/self/fd/" + strconv.Itoa(s.fd)
	if _, err := os.Stat(s.address); err != nil {
		s.address = f.path // no /proc
	}
	return s, nil
}

func (f *folder) unlink() error { return syscall.Unlinkat(int(f.Fd()), f.name) }

// bind makes the socket file, relative to the open folder if the name is short enough for that.
func (f *folder) bind(fd int) error {
	syscall.Fchmod(fd, 0o600) // the mode of the file
	address := "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) + "/" + f.name
	if _, err := os.Stat("/proc/self/fd"); err != nil || len(address) > mostPath {
		address = f.path
		if address[0] == '@' {
			address = "./" + address
		}
	}
	return syscall.Bind(fd, &syscall.SockaddrUnix{Name: address})
}

// openParent opens a folder only to check that it exists.
func openParent(path string) (*os.File, error) {
	for at := len(path) - 1; at >= 0; at-- {
		if path[at] == '/' {
			return os.OpenFile(path[:at+1], openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		}
	}
	return os.Open(".")
}
