package wholefile

// Operations on names in a folder for macOS, by path, because package syscall has no others.

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

const pollOut = 0x4

// folder is an existing folder. A nil one is the current directory.
type folder struct{ path string }

func (f *folder) close() {}

func (f *folder) at(name string) string {
	if f == nil || filepath.IsAbs(name) {
		return name
	}
	return f.path + "/" + name // not cleaned: ".." belongs to the directory that a link leads to
}

func openFolder(from *folder, path string) (*folder, error) {
	if path == "" {
		path = "."
	}
	path = from.at(path)
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		return nil, err
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return nil, syscall.ENOTDIR
	}
	return &folder{path}, nil
}

func (f *folder) stat() (fs.FileInfo, error) { return os.Stat(f.path) }

func (f *folder) look(name string) (*syscall.Stat_t, string, error) {
	stat := &syscall.Stat_t{}
	if err := syscall.Lstat(f.at(name), stat); err != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFLNK {
		return stat, "", err
	}
	link, err := os.Readlink(f.at(name))
	return stat, link, err
}

func (f *folder) open(name string, flags int, mode uint32) (int, error) {
	return syscall.Open(f.at(name), flags|syscall.O_CLOEXEC, mode)
}

func (f *folder) unlink(name string) error       { return syscall.Unlink(f.at(name)) }
func (f *folder) rename(from, to string) error   { return syscall.Rename(f.at(from), f.at(to)) }
func (f *folder) link(from, to string) error     { return syscall.Link(f.at(from), f.at(to)) }
func (f *folder) unnamed() (int, error)          { return -1, syscall.ENOTSUP }
func (*folder) linkDescriptor(int, string) error { return syscall.ENOTSUP }

// Unnamed makes a file for spooling, and removes its name at once.
func Unnamed(directory string) (*os.File, error) { return unlinked(directory) }

// isWritable waits for a moment until something can be written.
func isWritable(fd int, moment time.Duration) (bool, error) { return isReady(fd, pollOut, moment) }

func isReady(fd int, events int16, moment time.Duration) (bool, error) {
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: events}
	n, _, errno := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(moment/time.Millisecond))
	if errno != 0 && errno != syscall.EINTR {
		return false, errno
	}
	return errno == 0 && n > 0, nil
}
