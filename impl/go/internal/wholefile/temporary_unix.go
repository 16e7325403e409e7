//go:build linux || darwin

package wholefile

// A regular file that is written under a temporary name, and then gets its own.

import (
	"crypto/rand"
	"io"
	"os"
	"syscall"

	"kcom5/internal/leftover"
)

// temporary is a file that does not have its name yet.
type temporary struct {
	target
	beside      string // its present name in the folder; empty: it has none
	forget      func() // that name
	isPublished bool
	own         *syscall.Stat_t // of the published file
}

// open resolves the name, and prepares the output.
func (f *File) open() (err error) {
	if f.target, err = resolve(f.name); err != nil {
		return err
	}
	if f.folder == nil {
		return f.openNumber(f.target.descriptor)
	}
	if f.stat == nil {
		return f.openTemporary()
	}
	switch f.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return syscall.EISDIR
	case syscall.S_IFREG:
		if f.options.NoClobber {
			return f.exists()
		}
		// Only checks that it may be written, because a rename does not.
		fd, err := f.folder.open(f.base, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
		if err == nil {
			syscall.Close(fd)
		} else if err == syscall.EACCES || err == syscall.EPERM || err == syscall.EROFS {
			return err
		}
		return f.openTemporary()
	}
	return f.openSpecial()
}

// openTemporary makes the file without a name where that is supported, so that even a killed process leaves nothing.
func (f *File) openTemporary() error {
	fd, err := f.folder.unnamed()
	if err != nil {
		return f.openNamed()
	}
	f.Regular = os.NewFile(uintptr(fd), f.name)
	return nil
}

func (f *File) openNamed() error {
	fd := -1
	name, err := f.folder.newName(func(name string) (err error) {
		fd, err = f.folder.open(name, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	f.beside = name
	f.remember()
	f.Regular = os.NewFile(uintptr(fd), f.name)
	return nil
}

// newName finds a free name. It is not made from the final name, which may have 255 bytes already.
func (f *folder) newName(use func(name string) error) (name string, err error) {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	for range [100]struct{}{} {
		var random [6]byte
		if _, err := rand.Read(random[:]); err != nil {
			return "", err
		}
		for i := range random {
			random[i] = letters[random[i]%32]
		}
		name = ".kcom5-" + string(random[:])
		if err = use(name); err != syscall.EEXIST {
			break
		}
	}
	return name, err
}

// remember registers the temporary name for removal, even if nothing here gets to it.
func (f *File) remember() {
	folder, beside := f.folder, f.beside
	f.forget = leftover.Add(func() { folder.unlink(beside) })
}

// gone records that the temporary name no longer exists.
func (f *File) gone() {
	f.beside = ""
	f.forget()
}

func (f *File) complete() error {
	if f.Regular == nil {
		return f.closeInPlace()
	}
	mode := uint32(0o600)
	if f.stat != nil {
		mode = uint32(f.stat.Mode) & 0o777
	}
	// Some systems report a lost write only when a descriptor is closed, so a duplicate is closed here.
	fd := int(f.Regular.Fd())
	if err := syscall.Fchmod(fd, mode); err != nil {
		return err
	}
	other, err := duplicate(fd)
	if err != nil {
		return err
	}
	return syscall.Close(other)
}

func (f *File) publish() error {
	if f.Regular == nil {
		return nil
	}
	err := f.giveName()
	if err == syscall.EBUSY && !f.options.NoClobber {
		err = f.copyInPlace()
	}
	if err != nil {
		return err
	}
	f.isPublished = true
	f.own = &syscall.Stat_t{}
	syscall.Fstat(int(f.Regular.Fd()), f.own)
	return nil
}

func (f *File) giveName() error {
	if f.beside == "" && (f.stat == nil || f.options.NoClobber) {
		err := f.folder.linkDescriptor(int(f.Regular.Fd()), f.base)
		if err != syscall.EEXIST {
			return err
		}
		if f.options.NoClobber {
			return f.exists()
		}
	}
	if f.beside == "" {
		name, err := f.folder.newName(func(name string) error {
			return f.folder.linkDescriptor(int(f.Regular.Fd()), name)
		})
		if err != nil {
			return err
		}
		f.beside = name
		f.remember()
	}
	if f.options.NoClobber {
		return f.giveFreeName()
	}
	err := f.folder.rename(f.beside, f.base)
	if err == nil {
		f.gone()
	}
	return err
}

// giveFreeName does not replace a file.
func (f *File) giveFreeName() error {
	err := f.folder.link(f.beside, f.base)
	if err == nil {
		return nil // discard removes the temporary name
	}
	if err == syscall.EEXIST {
		return f.exists()
	}
	// Without links, an empty file takes the name first.
	fd, err := f.folder.open(f.base, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err == syscall.EEXIST {
		return f.exists()
	}
	if err != nil {
		return err
	}
	syscall.Close(fd)
	if err = f.folder.rename(f.beside, f.base); err != nil {
		f.folder.unlink(f.base)
		return err
	}
	f.gone()
	return nil
}

// copyInPlace overwrites a file that cannot be replaced, such as a mount point. A failure may leave a part of the data.
func (f *File) copyInPlace() error {
	fd, err := f.folder.open(f.base, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	to := os.NewFile(uintptr(fd), f.name)
	defer to.Close()
	if info, err := to.Stat(); err != nil || !info.Mode().IsRegular() {
		return syscall.EBUSY
	}
	if err := to.Truncate(0); err != nil {
		return err
	}
	if _, err := f.Regular.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{to}, f.Regular); err != nil {
		return err
	}
	return to.Close()
}

func (f *File) retract() {
	if !f.isPublished || f.stat != nil {
		return
	}
	if now, _, err := f.folder.look(f.base); err == nil && now.Dev == f.own.Dev && now.Ino == f.own.Ino {
		f.folder.unlink(f.base)
	}
}

func (f *File) discard() {
	f.closeInPlace()
	if f.beside != "" {
		f.folder.unlink(f.beside)
		f.gone()
	}
	if f.Regular != nil {
		f.Regular.Close()
	}
	f.folder.close()
	f.folder = nil
}
