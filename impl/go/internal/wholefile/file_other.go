//go:build !linux && !darwin

package wholefile

// Other systems: a temporary file that is renamed.

import (
	"context"
	"os"
	"path/filepath"
)

type temporary struct {
	isPublished, wasThere bool
	mode                  os.FileMode
}

type inPlace struct{ file *os.File }

func (f *File) failed(err error) error {
	if err == nil || err == f.ctx.Err() {
		return err
	}
	if _, ok := err.(*Error); ok {
		return err
	}
	return &Error{File: f.name, What: err.Error(), Err: err}
}

func (f *File) open() (err error) {
	info, err := os.Stat(f.name)
	f.wasThere = err == nil
	if f.wasThere && !info.Mode().IsRegular() {
		f.file, err = os.OpenFile(f.name, os.O_WRONLY, 0)
		return err
	}
	if f.wasThere && f.options.NoClobber {
		return &Error{File: f.name, What: "exists already", Err: os.ErrExist, Exists: true}
	}
	f.Regular, err = os.CreateTemp(filepath.Dir(f.name), ".kcom5-*")
	return err
}

func (f *File) openDescriptor(file *os.File) error { f.file = file; return nil }

func (f *File) writeInPlace(octets []byte) (int, error) { return f.file.Write(octets) }

func (f *File) complete() error {
	if f.Regular == nil {
		return nil
	}
	return f.Regular.Close()
}

func (f *File) publish() error {
	if f.Regular == nil {
		return nil
	}
	if f.options.NoClobber {
		if err := os.Link(f.Regular.Name(), f.name); err != nil {
			return err
		}
		os.Remove(f.Regular.Name())
	} else if err := os.Rename(f.Regular.Name(), f.name); err != nil {
		return err
	}
	f.isPublished = true
	return nil
}

func (f *File) retract() {
	if f.isPublished && !f.wasThere {
		os.Remove(f.name)
	}
}

func (f *File) discard() {
	if f.Regular != nil && !f.isPublished {
		f.Regular.Close()
		os.Remove(f.Regular.Name())
	}
}

// Unnamed makes a file for spooling.
func Unnamed(directory string) (*os.File, error) { return os.CreateTemp(directory, ".kcom5-*") }

// OpenInput opens a file for reading.
func OpenInput(ctx context.Context, name string, options Options) (*os.File, error) {
	f := &File{name: name, ctx: ctx, options: options}
	file, err := os.Open(name)
	return file, f.failed(err)
}

// SaysItsSize reports whether the size of a file is that of its content.
func SaysItsSize(info os.FileInfo) bool { return info.Mode().IsRegular() && info.Size() > 0 }
