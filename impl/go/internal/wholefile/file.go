// Package wholefile writes files that appear under their name complete or not at all. What is there and is not a regular
// file (a pipe, a device, a descriptor of this process) is written in place. Not here: what is written.
package wholefile

import (
	"context"
	"os"
	"time"
)

// Options are of one output.
type Options struct {
	Timeout   time.Duration // of each wait; 0: no limit
	Bound     string        // Timeout in the words of errors: "5 s"
	NoClobber bool          // a regular file that is there is not replaced
}

// Error is what is wrong with a file.
type Error struct {
	File      string // as the caller calls it
	What      string
	Err       error // what the system said, or nil
	IsTimeout bool
	Exists    bool // it is there, and is not to be replaced
}

// Error returns the file's name and what is wrong with it.
func (e *Error) Error() string { return e.File + ": " + e.What }

// Unwrap returns what the system said.
func (e *Error) Unwrap() error { return e.Err }

// Partial says that a failure left some of the data in a place that is not replaced as a whole.
type Partial struct {
	File    string
	Written uint64
	Err     error
}

// Error returns what made it fail.
func (e *Partial) Error() string { return e.Err.Error() }

// Unwrap returns what made it fail.
func (e *Partial) Unwrap() error { return e.Err }

// SpoolError is of the folder for temporary files.
type SpoolError struct{ Err error }

// Error returns what the system said.
func (e *SpoolError) Error() string { return e.Err.Error() }

// Unwrap returns what the system said.
func (e *SpoolError) Unwrap() error { return e.Err }

// File is being written. The order is: Write, Complete, Publish. Discard, after any of them, leaves nothing that is not
// complete.
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

// Open makes ready to write to a name. Of a regular file nothing is changed before Publish. A symbolic link is followed.
func Open(ctx context.Context, name string, options Options) (*File, error) {
	f := &File{name: name, ctx: ctx, options: options}
	if err := f.open(); err != nil {
		f.Discard()
		return nil, f.failed(err)
	}
	return f, nil
}

// OfDescriptor writes in place to a file that is open, which name is for people.
func OfDescriptor(ctx context.Context, file *os.File, name string, options Options) (*File, error) {
	f := &File{name: name, ctx: ctx, options: options}
	if err := f.openDescriptor(file); err != nil {
		f.Discard()
		return nil, f.failed(err)
	}
	return f, nil
}

// Name returns what people call the output.
func (f *File) Name() string { return f.name }

// InPlace returns how many bytes went to where they cannot be taken back.
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

// Complete says that everything is written. It is an error if the system has lost some of it.
func (f *File) Complete() error { return f.failed(f.complete()) }

// Publish gives the file its name.
func (f *File) Publish() error { return f.failed(f.publish()) }

// Retract takes a file back that Publish made, if there was none before.
func (f *File) Retract() { f.retract() }

// Discard closes everything, and removes what has not got its name.
func (f *File) Discard() {
	if f != nil {
		f.discard()
	}
}
