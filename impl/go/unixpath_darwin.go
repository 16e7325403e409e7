package kcom5

// Operations on a name in a folder for macOS, by its path.

import (
	"os"
	"path/filepath"
	"syscall"
)

const mostPath = 103 // of sun_path's 104 bytes one is the NUL

// status is the status of a file.
type status struct {
	device, number uint64
	mode           uint32
	user           int
	address        string
}

func (status) close() {}

func (f *folder) lstat() (s status, err error) {
	var stat syscall.Stat_t
	if err := syscall.Lstat(f.path, &stat); err != nil {
		return s, err
	}
	return status{uint64(stat.Dev), stat.Ino, uint32(stat.Mode), int(stat.Uid), f.path}, nil
}

func (f *folder) unlink() error { return syscall.Unlink(f.path) }

// bind makes the socket file. Only the umask sets its mode before a client can connect.
func (f *folder) bind(fd int) error {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return syscall.Bind(fd, &syscall.SockaddrUnix{Name: f.path})
}

func openParent(path string) (*os.File, error) { return os.Open(filepath.Dir(path)) }
