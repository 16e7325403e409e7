//go:build linux || darwin

package wholefile

// Outputs that are not regular files, and descriptors of this process, are written in place. Each wait has a bound.

import (
	"io"
	"os"
	"syscall"
	"time"
)

// slice is how long a wait may last before it checks for a cancellation.
const slice = 50 * time.Millisecond

// sureSize is how many bytes a writable pipe takes without blocking (PIPE_BUF).
const sureSize = 4096

// inPlace is an open output.
type inPlace struct {
	fd     int
	isOpen bool
	mode   uint32
	// isOwn: opened here, and never blocks. An inherited descriptor shares that flag with other processes.
	isOwn bool
}

func duplicate(fd int) (int, error) {
	other, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return -1, errno
	}
	return int(other), nil
}

func (f *File) openDescriptor(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = f.openNumber(int(fd)) })
	if err == nil {
		err = failed
	}
	return err
}

func (f *File) openNumber(number int) error {
	fd, err := duplicate(number)
	if err != nil {
		return err
	}
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		syscall.Close(fd)
		return err
	}
	if stat.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		syscall.Close(fd)
		return syscall.EISDIR
	}
	f.inPlace = inPlace{fd: fd, isOpen: true, mode: uint32(stat.Mode)}
	return nil
}

// openSpecial opens a pipe, a device or a socket that was checked. It waits until a process reads a pipe.
func (f *File) openSpecial() error {
	const flags = syscall.O_WRONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_NOFOLLOW
	isPipe := f.stat.Mode&syscall.S_IFMT == syscall.S_IFIFO
	for end := f.deadline(); ; {
		fd, err := f.folder.open(f.base, flags, 0)
		if err == syscall.ENXIO && isPipe {
			if f.hasPassed(end) {
				return f.timedOut("no process opened it for reading within")
			}
			if err := f.pause(10 * time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		var now syscall.Stat_t
		if err := syscall.Fstat(fd, &now); err != nil || now.Dev != f.stat.Dev || now.Ino != f.stat.Ino {
			syscall.Close(fd)
			return &Error{File: f.name, What: "was replaced while it was opened", Err: err}
		}
		f.inPlace = inPlace{fd: fd, isOpen: true, isOwn: true, mode: uint32(now.Mode)}
		return nil
	}
}

func (f *File) closeInPlace() error {
	if !f.isOpen {
		return nil
	}
	f.isOpen = false
	return syscall.Close(f.fd)
}

func (f *File) deadline() time.Time {
	if f.options.Timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(f.options.Timeout)
}

func (f *File) hasPassed(end time.Time) bool { return !end.IsZero() && !time.Now().Before(end) }

func (f *File) pause(length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

func (f *File) writeInPlace(octets []byte) (n int, err error) {
	for end := f.deadline(); n < len(octets); {
		if err := f.waitUntilWritable(end); err != nil {
			return n, err
		}
		size, err := f.writeOnce(octets[n:])
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return n, err
		}
		if size == 0 {
			return n, io.ErrShortWrite
		}
		n += size
		end = f.deadline()
	}
	return n, nil
}

// writeOnce writes as much as possible without blocking.
func (f *File) writeOnce(octets []byte) (int, error) {
	switch kind := f.mode & syscall.S_IFMT; {
	case kind == syscall.S_IFSOCK:
		return syscall.SendmsgN(f.fd, octets, nil, nil, syscall.MSG_DONTWAIT)
	case kind != syscall.S_IFREG && !f.isOwn && len(octets) > sureSize:
		octets = octets[:sureSize]
	}
	return syscall.Write(f.fd, octets)
}

func (f *File) waitUntilWritable(end time.Time) error {
	for {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		isReady, err := isWritable(f.fd, slice)
		if isReady || err != nil {
			return err
		}
		if f.hasPassed(end) {
			return f.timedOut("took no byte for")
		}
	}
}
