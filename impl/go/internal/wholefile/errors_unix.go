//go:build linux || darwin

package wholefile

import (
	"context"
	"errors"
	"syscall"
)

// failed names the file in an error.
func (f *File) failed(err error) error {
	var named *Error
	var number syscall.Errno
	switch {
	case err == nil || errors.As(err, &named) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &number):
		return &Error{File: f.name, What: number.Error(), Err: err}
	}
	return &Error{File: f.name, What: err.Error(), Err: err}
}

func (f *File) timedOut(what string) error {
	return &Error{File: f.name, What: what + " " + f.options.Bound, IsTimeout: true}
}

func (f *File) exists() error {
	return &Error{File: f.name, What: "exists already", Err: syscall.EEXIST, Exists: true}
}
