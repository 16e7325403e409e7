//go:build linux || darwin

package wholefile

// Inputs: opening a file to read, and whether it must be spooled.

import (
	"context"
	"os"
	"syscall"
)

const pollIn = 0x1

func unlinked(directory string) (*os.File, error) {
	file, err := os.CreateTemp(directory, ".kcom5-*")
	if err == nil {
		err = os.Remove(file.Name())
	}
	return file, err
}

// OpenInput opens a file for reading. It waits until a process writes to a pipe.
func OpenInput(ctx context.Context, name string, options Options) (*os.File, error) {
	f := &File{name: name, ctx: ctx, options: options}
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, f.failed(err)
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		err = f.waitForWriter(file)
	}
	if err != nil {
		file.Close()
		return nil, f.failed(err)
	}
	return file, nil
}

func (f *File) waitForWriter(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	for end := f.deadline(); ; {
		isReady, failed := false, error(nil)
		err := raw.Control(func(fd uintptr) { isReady, failed = isReadable(int(fd)) })
		switch {
		case err != nil:
			return err
		case isReady || failed != nil:
			return failed
		case f.ctx.Err() != nil:
			return f.ctx.Err()
		case f.hasPassed(end):
			return f.timedOut("no process opened it for writing within")
		}
	}
}

func isReadable(fd int) (bool, error) { return isReady(fd, pollIn, slice) }

// SaysItsSize reports whether the size of a file is that of its content. Files of /proc report 0, those of /sys a page.
func SaysItsSize(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().IsRegular() && info.Size() > 0 && ok && (info.Size() > 64<<10 || stat.Blocks > 0)
}
