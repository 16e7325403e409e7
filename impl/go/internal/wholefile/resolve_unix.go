//go:build linux || darwin

package wholefile

// Resolves a name to a file in an open folder, or to a descriptor of this process. Links are followed here and not by
// the kernel, which may follow another user's link in a shared folder.

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const mostLinks = 40

// target is the file that a name leads to.
type target struct {
	folder     *folder // nil: a descriptor
	base       string
	stat       *syscall.Stat_t // nil: nothing is there
	descriptor int
}

var errOtherUser = errors.New("belongs to another user in a shared folder")

func resolve(name string) (t target, err error) {
	var from *folder
	defer func() { from.close() }()
	for links := 0; links <= mostLinks; links++ {
		if number, found := descriptorOf(name); found {
			return target{descriptor: number}, nil
		}
		path, base := name[:strings.LastIndexByte(name, '/')+1], name[strings.LastIndexByte(name, '/')+1:]
		if base == "" || base == "." || base == ".." {
			return t, isDirectory(from, name)
		}
		next, err := openFolder(from, path)
		from.close()
		from = next
		if err != nil {
			return t, err
		}
		if number, err := strconv.Atoi(base); err == nil && from.hasDescriptors() {
			return target{descriptor: number}, nil
		}
		stat, link, err := from.look(base)
		if err == syscall.ENOENT {
			t, from = target{folder: from, base: base}, nil
			return t, nil
		}
		if err == nil {
			err = from.allows(stat)
		}
		if err != nil {
			return t, err
		}
		if stat.Mode&syscall.S_IFMT != syscall.S_IFLNK {
			t, from = target{folder: from, base: base, stat: stat}, nil
			return t, nil
		}
		name = link
	}
	return t, syscall.ELOOP
}

// isDirectory returns the error of a name that can only be a directory.
func isDirectory(from *folder, name string) error {
	if name == "" {
		return syscall.ENOENT
	}
	directory, err := openFolder(from, name)
	directory.close()
	if err != nil {
		return err
	}
	return syscall.EISDIR
}

// descriptorOf returns the descriptor of this process that a name stands for.
func descriptorOf(name string) (int, bool) {
	switch name {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, prefix := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if digits := strings.TrimPrefix(name, prefix); digits != name {
			number, err := strconv.Atoi(digits)
			return number, err == nil
		}
	}
	return 0, false
}

// hasDescriptors reports whether the folder is that of this process's own descriptors.
func (f *folder) hasDescriptors() bool {
	own, err := os.Stat("/proc/self/fd")
	if err != nil {
		return false
	}
	here, err := f.stat()
	return err == nil && os.SameFile(own, here)
}

// allows refuses another user's link, pipe, device or socket in a folder where everybody can make one.
func (f *folder) allows(stat *syscall.Stat_t) error {
	switch stat.Mode & syscall.S_IFMT {
	case syscall.S_IFREG, syscall.S_IFDIR:
		return nil
	}
	info, err := f.stat()
	if err != nil {
		return err
	}
	isShared := info.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&0o002 != 0
	owner := info.Sys().(*syscall.Stat_t).Uid
	if isShared && int(stat.Uid) != os.Geteuid() && stat.Uid != owner {
		return errOtherUser
	}
	return nil
}
