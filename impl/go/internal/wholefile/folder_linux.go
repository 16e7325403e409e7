package wholefile

// Operations on names in an open folder for Linux, and files without a name.

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	openPath   = 0x200000 // O_PATH
	tmpFile    = 0x400000 // O_TMPFILE, without O_DIRECTORY
	follow     = 0x400    // AT_SYMLINK_FOLLOW
	pollOut    = 0x4
	currentDir = -100 // AT_FDCWD
)

// folder is an open folder. A nil one is the current directory.
type folder struct{ *os.File }

func (f *folder) number() int {
	if f == nil {
		return currentDir
	}
	return int(f.Fd())
}

func (f *folder) close() {
	if f != nil {
		f.File.Close()
	}
}

func openFolder(from *folder, path string) (*folder, error) {
	if path == "" {
		path = "."
	}
	fd, err := openAt(from.number(), path, openPath|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &folder{os.NewFile(uintptr(fd), path)}, nil
}

func openAt(from int, name string, flags int, mode uint32) (fd int, err error) {
	for err = syscall.EINTR; err == syscall.EINTR; {
		fd, err = syscall.Openat(from, name, flags|syscall.O_CLOEXEC, mode)
	}
	return fd, err
}

func (f *folder) stat() (fs.FileInfo, error) { return f.File.Stat() }

// look returns the status of one file, and the target if it is a link.
func (f *folder) look(name string) (*syscall.Stat_t, string, error) {
	fd, err := openAt(f.number(), name, openPath|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, "", err
	}
	defer syscall.Close(fd)
	stat := &syscall.Stat_t{}
	if err := syscall.Fstat(fd, stat); err != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFLNK {
		return stat, "", err
	}
	var link [4096]byte
	empty, _ := syscall.BytePtrFromString("")
	n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(fd), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&link[0])), uintptr(len(link)), 0, 0)
	if errno != 0 {
		return nil, "", errno
	}
	return stat, string(link[:n]), nil
}

func (f *folder) open(name string, flags int, mode uint32) (int, error) {
	return openAt(f.number(), name, flags, mode)
}

func (f *folder) unlink(name string) error { return syscall.Unlinkat(f.number(), name) }

func (f *folder) rename(from, to string) error {
	return syscall.Renameat(f.number(), from, f.number(), to)
}

func (f *folder) link(from, to string) error {
	return linkAt(f.number(), from, f.number(), to, 0)
}

// unnamed makes a file that has no name yet.
func (f *folder) unnamed() (int, error) {
	fd, err := openAt(f.number(), ".", tmpFile|syscall.O_DIRECTORY|syscall.O_RDWR, 0o600)
	if err != nil {
		return -1, err
	}
	if _, err := os.Stat(descriptorPath(fd)); err != nil { // without /proc it could not get a name
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func (f *folder) linkDescriptor(fd int, to string) error {
	return linkAt(currentDir, descriptorPath(fd), f.number(), to, follow)
}

func linkAt(fromFolder int, from string, toFolder int, to string, flags int) error {
	fromAt, err := syscall.BytePtrFromString(from)
	if err != nil {
		return err
	}
	toAt, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, uintptr(fromFolder), uintptr(unsafe.Pointer(fromAt)),
		uintptr(toFolder), uintptr(unsafe.Pointer(toAt)), uintptr(flags), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Unnamed makes a file for spooling, without a name, or with one that is removed at once.
func Unnamed(directory string) (*os.File, error) {
	fd, err := openAt(currentDir, directory, tmpFile|syscall.O_DIRECTORY|syscall.O_RDWR|syscall.O_EXCL, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), directory), nil
	}
	return unlinked(directory)
}

// isWritable waits for a moment until something can be written.
func isWritable(fd int, moment time.Duration) (bool, error) { return isReady(fd, pollOut, moment) }

func isReady(fd int, events int16, moment time.Duration) (bool, error) {
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: events}
	timeout := syscall.NsecToTimespec(int64(moment))
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
		uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	if errno != 0 && errno != syscall.EINTR {
		return false, errno
	}
	return errno == 0 && n > 0, nil
}
