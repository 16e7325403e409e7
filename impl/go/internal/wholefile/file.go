// Package wholefile writes files that appear under their name complete or not at all. An existing file that is not
// regular (a pipe, a device, a descriptor of this process) is written in place. Not here: the content.
package wholefile

import (
	"context"
	"os"
	"time"
)

// Options are the options of one output.
type Options struct {
	Timeout   time.Duration // of each wait; 0: no limit
	Bound     string        // Timeout as error texts show it: "5 s"
	NoClobber bool          // an existing regular file is not replaced
}

// Error is a failure of a file.
type Error struct {
	File      string // the name that the caller gave
	What      string
	Err       error // the system's error, or nil
	IsTimeout bool
	Exists    bool // it exists, and must not be replaced
}

// Error returns the file's name and what is wrong with it.
func (e *Error) Error() string { return e.File + ": " + e.What }

// Unwrap returns the system's error.
func (e *Error) Unwrap() error { return e.Err }

// Partial is a failure that left some of the data in an output that is written in place.
type Partial struct {
	File    string
	Written uint64
	Err     error
}

// Error returns the cause.
func (e *Partial) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Partial) Unwrap() error { return e.Err }

// SpoolError is a failure of the folder for temporary files.
type SpoolError struct{ Err error }

// Error returns the system's text.
func (e *SpoolError) Error() string { return e.Err.Error() }

// Unwrap returns the system's error.
func (e *SpoolError) Unwrap() error { return e.Err }

// File is an output. The order of calls is Write, Complete, Publish. Discard, after any of them, removes an incomplete
// file.
type File struct {
	// Regular is the file with the data while it has no name; nil if the output is written in place.
	Regular *os.File

	name    string
	ctx     context.Context
	options Options
	written uint64
	temporary
	inPlace
}

// Open prepares to write to a name. A regular file is unchanged until Publish. A symbolic link is followed.
func Open(ctx context.Context, name string, options Options) (*File, error) {
	f := &File{name: name, ctx: ctx, options: options}
	if err := f.open(); err != nil {
		f.Discard()
		return nil, f.failed(err)
	}
	return f, nil
}

// OfDescriptor returns an output that writes in place to an open file; name is for error texts.
func OfDescriptor(ctx context.Context, file *os.File, name string, options Options) (*File, error) {
	f := &File{name: name, ctx: ctx, options: options}
	if err := f.openDescriptor(file); err != nil {
		f.Discard()
		return nil, f.failed(err)
	}
	return f, nil
}

// Name returns the name of the output for people.
func (f *File) Name() string { return f.name }

// InPlace returns how many bytes were written in place and cannot be taken back.
func (f *File) InPlace() uint64 {
	if f.Regular != nil {
		return 0
	}
	return f.written
}

// Write writes all, or fails. In place, an output that takes nothing for the timeout is an error.
func (f *File) Write(octets []byte) (n int, err error) {
	if f.Regular != nil {
		n, err = f.Regular.Write(octets)
	} else {
		n, err = f.writeInPlace(octets)
	}
	f.written += uint64(n)
	return n, f.failed(err)
}

// Complete records that everything is written. It returns an error if the system has lost some of it.
func (f *File) Complete() error { return f.failed(f.complete()) }

// Publish gives the file its name.
func (f *File) Publish() error { return f.failed(f.publish()) }

// Retract removes a file that Publish made, if there was none before.
func (f *File) Retract() { f.retract() }

// Discard closes everything, and removes a file that has not got its name.
func (f *File) Discard() {
	if f != nil {
		f.discard()
	}
}
