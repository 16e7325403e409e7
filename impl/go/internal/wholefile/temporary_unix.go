//go:build linux || darwin

package wholefile

// A regular file that is written beside its name, and then gets it.

import (
	"crypto/rand"
	"io"
	"os"
	"syscall"

	"kcom5/internal/leftover"
)

// temporary is a file that has not got its name.
type temporary struct {
	target
	beside      string // its present name in the folder; empty: it has none
	forget      func() // that name
	isPublished bool
	own         *syscall.Stat_t // of the file that has got its name
}

// open looks where the name leads, and makes ready what can be.
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
		// Only whether it may be written: a rename would not ask.
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

// openTemporary makes the file without a name where that can be had, so that not even a killed process leaves it.
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

// newName finds a name that is free. It is not made from the final one: that may have 255 bytes already.
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

// remember has the name beside removed, even if nothing here comes to it.
func (f *File) remember() {
	folder, beside := f.folder, f.beside
	f.forget = leftover.Add(func() { folder.unlink(beside) })
}

// gone says that there is nothing with the name beside any more.
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
	// Some systems tell of a lost write only when a descriptor is closed: one is, and the other keeps the file.
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
		return nil // discard removes the other name
	}
	if err == syscall.EEXIST {
		return f.exists()
	}
	// No links here: the name is taken first.
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

// copyInPlace is for a file that cannot be replaced, as one that something is mounted on. After a failure a part may be
// there.
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
