//go:build linux || darwin

package kcom5

// The Unix profile's paths: who may listen at one, and what is removed. Every step is relative to an open folder and
// under a lock on it. So exactly one of two servers listens, and no foreign file is touched. Spec: "Unix profile".

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kcom5/internal/leftover"
)

// checkPath refuses a path that no socket can have (`unix.path`), because the kernel would truncate it and listen
// elsewhere.
func checkPath(path string) error {
	switch {
	case strings.IndexByte(path, 0) >= 0:
		return &Error{Name: ErrIO, Detail: path + ": the path has a NUL byte", Cause: syscall.EINVAL}
	case len(path) > mostPath:
		return &Error{Name: ErrIO, Detail: path + ": the path has " + strconv.Itoa(len(path)) + " bytes, expected at most " +
			strconv.Itoa(mostPath), Cause: syscall.ENAMETOOLONG}
	}
	return nil
}

// folder is an open folder, for operations on a name in it.
type folder struct {
	*os.File
	path, name string
}

// openFolder opens the folder of a path.
func openFolder(path string) (*folder, error) {
	at := strings.LastIndexByte(path, '/')
	directory, name := path[:at+1], path[at+1:]
	if name == "" || name == "." || name == ".." {
		directory, name = path, "."
	} else if directory == "" {
		directory = "."
	}
	file, err := os.OpenFile(directory, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	return &folder{file, path, name}, err
}

// lock keeps other servers out of the folder until the end, or until it is closed. It leaves nothing behind.
func (f *folder) lock(ctx context.Context, end time.Time) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == syscall.EINTR:
			continue
		case err != syscall.EWOULDBLOCK:
			return err
		case hasPassed(end):
			return timeoutError("the folder is locked by another process")
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (f *folder) unlock() { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

func taken(path, why string) error { return &Error{Name: ErrInUse, Detail: path + ": " + why} }

// clear removes a stale socket of ours, and refuses anything else at the path.
func (f *folder) clear() error {
	file, err := f.lstat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.close()
	switch file.mode & syscall.S_IFMT {
	case syscall.S_IFLNK:
		return taken(f.path, "is a symbolic link")
	case syscall.S_IFSOCK:
	default:
		return taken(f.path, "is not a socket")
	}
	// Probes with a datagram socket, which a stream server does not notice.
	switch err := probe(file.address); {
	case err == syscall.EACCES:
		return taken(f.path, "belongs to another user")
	case err != syscall.ECONNREFUSED:
		return taken(f.path, "another server listens there")
	case file.user != os.Geteuid():
		return taken(f.path, "belongs to another user")
	}
	return f.removeIf(file)
}

// removeIf removes the file if it is still the same one.
func (f *folder) removeIf(file status) error {
	now, err := f.lstat()
	if err != nil {
		return nil
	}
	defer now.close()
	if now.device != file.device || now.number != file.number {
		return nil
	}
	return f.unlink()
}

func probe(address string) error {
	fd, err := newSocket(syscall.SOCK_DGRAM)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Connect(fd, &syscall.SockaddrUnix{Name: address})
}

func newSocket(kind int) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, err = syscall.Socket(syscall.AF_UNIX, kind, 0); err == nil {
		syscall.CloseOnExec(fd)
	}
	return fd, err
}

// listenUnix listens at a path, with the mode 0600 before it does (`unix.mode`). remove deletes the file if it is still
// the one made here (`unix.cleanup`). Call it before closing, so that the file's inode number is not reused.
func listenUnix(ctx context.Context, path string, timeout time.Duration) (listener net.Listener, remove func(), err error) {
	if err := checkPath(path); err != nil {
		return nil, nil, err
	}
	in, err := openFolder(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			in.Close()
		}
	}()
	if err := first(in.lock(ctx, deadline(timeout)), in.clear()); err != nil {
		return nil, nil, err
	}
	fd, err := newSocket(syscall.SOCK_STREAM)
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close() // the listener has its own copy
	if err := in.bind(fd); err == syscall.EADDRINUSE {
		return nil, nil, taken(path, "another server listens there")
	} else if err != nil {
		return nil, nil, err
	}
	own, err := in.lstat()
	if err != nil {
		return nil, nil, err
	}
	if own.mode&0o777 != 0o600 { // bind takes the umask off it
		err = os.Chmod(own.address, 0o600)
	}
	if err == nil {
		err = syscall.Listen(fd, 8)
	}
	if err == nil {
		listener, err = net.FileListener(file)
	}
	if err != nil {
		in.removeIf(own)
		own.close()
		return nil, nil, err
	}
	in.unlock()
	forget := leftover.Add(func() { in.removeIf(own) })
	remove = func() {
		in.removeIf(own)
		forget()
		own.close()
		in.Close()
	}
	return listener, remove, nil
}

// dialUnix connects to a path. A missing file in an existing folder means that nobody listens.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	address := path
	if strings.HasPrefix(path, "@") {
		address = "./" + path // "@" would select an abstract name
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", address)
	if errors.Is(err, syscall.ENOENT) {
		in, err := openParent(path)
		if err == nil {
			in.Close()
			err = syscall.ECONNREFUSED
		}
		return nil, err
	}
	return conn, err
}
